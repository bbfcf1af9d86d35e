// Package edgetest helps to test an edge for real: sides that say who they are
// and whom they served, a program run unprivileged in a directory of its own,
// and a load of GET, POST and WebSocket by clients that repeat nothing, so
// that each request that fails is seen.
package edgetest
