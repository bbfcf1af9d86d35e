// Package e2e makes and proves bundles of real servers.
package e2e
