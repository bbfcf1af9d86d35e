// Package runner carries a run out: it folds the journal, asks the engine what
// follows, appends what the engine says, starts the effects that should be
// running, cancels those that should not, and brings their answers back.
//
// One goroutine, the loop, owns the engine's state and is the only one that
// appends. Effects, watches, the lease and the inbox work beside it and speak
// to it over one channel, so nothing that hangs can hold up a decision.
package runner
