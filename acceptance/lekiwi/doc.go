// Package acceptance proves on the real system of examples/lekiwi, under load and
// with the real segue, what its runbook promises: that each of its guards sees a
// real fault and puts the phase back, that each target is reached from each phase,
// and that nothing that was acknowledged is lost on the way. It is tests only.
package acceptance
