// Package e2e proves on the real system, under load and with the real segue,
// what the runbook of this example promises: that it can be put back from every
// step, that its guards see real faults, that runs do not fight, and that no
// secret comes out. It is tests only.
package e2e
