// Package report tells what happened in a run, and how it stands.
//
// All of it is derived from the run's journal, as [runner.History] has folded
// it, and from the readings stored beside it. Nothing here asks a live system,
// takes a lease or has a clock: whoever has the journal gets the same report,
// today or in a year. [Verify] goes through the journal again and finds what
// does not follow from what came before.
//
// [Make] looks back: phases, steps, gates, rollbacks, signals, each with its
// times and its evidence. [Status] and [Why] look at a run that is going on,
// at a time that the caller gives; [Live] folds the journal for them together
// with the latest readings.
//
// Two more put into words what others know: [Diagnose] makes of the answers of a
// runbook's checks what its doctor says, and [Facts] of a status what a template
// may name.
package report
