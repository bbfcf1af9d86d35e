// Package runtest drives the real segue in tests: it builds the program, calls
// it, follows the journal of its runs, and lets people answer what they ask.
package runtest
