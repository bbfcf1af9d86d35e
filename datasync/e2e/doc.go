// Package e2e tests syncs between the real systems that drivers reach.
package e2e
