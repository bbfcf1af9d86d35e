// Package e2e measures and proves what holds for edges as a whole, on the
// real servers: how soon a share is served, what fails meanwhile, and what a
// shadow costs clients.
package e2e
