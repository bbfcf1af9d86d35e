// Package logs puts what several workloads write into one order, that of the
// times in their lines, and follows it.
package logs
