// Package soak tells long proofs whether they are to be done whole. `go test
// ./...` does a part of each, so that it stays quick; `make soak` does all.
package soak

import (
	"os"
	"testing"
)

// Variable is what asks for the whole of each proof, when it is set.
const Variable = "SEGUE_SOAK"

// On reports whether proofs are to be done whole.
func On() bool { return os.Getenv(Variable) != "" }

// Case reports whether the i-th case of a proof is to be done: each with
// `make soak`, else every nth, and under -short every third of these.
func Case(i, n int) bool {
	switch {
	case On():
		return true
	case testing.Short():
		return i%(3*n) == 0
	}
	return i%n == 0
}
