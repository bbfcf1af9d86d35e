// Package e2e compares and repairs records of real servers.
package e2e
