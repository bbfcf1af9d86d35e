// Package engine decides what happens next in a run. It is a pure state
// machine: [State] is the fold of a run's events, and [Decide] looks at the
// runbook, the state and the time and says which events follow from them,
// which effects should be running, when to ask again, and what the run waits
// for. It has no clock, does no I/O, starts no goroutine and knows no driver.
//
// Two kinds of thing come in. Events are durable: they are journaled first and
// folded then, and folding a journal gives the same state on any machine.
// Notes (readings, observations) are volatile: they are folded and forgotten by
// a crash, after which they are simply had again. Whatever a note leads to is
// an event.
//
// A step goes pending → observed (a note) → intent (before, want) → outcome
// (after). An intent without an outcome at the start of a new epoch is
// uncertain: the step is observed again, and the world's answer decides.
//
// Decide returns the complete set of effects that should be running. Whoever
// carries them out starts what is missing and cancels what is no longer in the
// set, so guards, signals and rollbacks never wait for a step.
package engine
