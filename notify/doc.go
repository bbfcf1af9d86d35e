// Package notify tells people what happens to a run, on the routes that its
// runbook gives.
//
// A notice is derived from the journal, as an outbox: what is journaled will be
// told, by whoever carries the run out next if this process dies first. What
// became of each delivery is kept in the journal's store, so that what was
// delivered is not delivered again; after a crash at the wrong moment it is, with
// the same key.
//
// It stands beside the run and is never waited for: no decision and no rollback
// rests on who was told. A [Post] follows the journal and sorts notices into
// lanes, one for each receiver. A lane delivers one after the other and tries
// again what failed, ever more seldom; so a receiver that is down holds up
// nobody else.
package notify
