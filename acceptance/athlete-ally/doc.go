// Package acceptance proves on the real system of examples/athlete-ally, under
// load and with the real segue, what its runbook promises: that it can be put
// back from every step, that its guards see real faults, that runs do not
// fight, and that no secret comes out. It is tests only.
package acceptance
