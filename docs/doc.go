// Package docs holds the documentation to its word: every example of a
// runbook in it is linted against the drivers that are built in.
package docs
