// Package state is the state-manager: it keeps what happened to robots (events)
// and what became of them (the read model, table robots), and tells who asks
// what has changed.
//
// # Writing
//
// One goroutine an instance writes whatever has come in since its last
// transaction, so the more comes, the larger the batches. Each transaction
// takes an advisory lock, so those of all instances come one after the other:
// seq has no gaps and rises in the order of the commits, and the fold of an
// event always sees the robot as the event before left it. An event has a key;
// one that is there already, whichever instance wrote it, is a duplicate.
//
// With the flag persistent_state on, who brings an event is answered once it is
// committed. With the flag off he is answered at once and the event is written
// behind his back: SIGTERM still loses nothing, a crash loses the last moment.
//
// # Telling
//
// A transaction that changes what watchers see does NOTIFY, which PostgreSQL
// delivers if and only if it commits. It only wakes up who waits in GET
// /api/v2/changes: what has changed is read from events by seq, so nothing is
// missed when a notice is, and no broker must be up for it.
//
// # Reading
//
// robot:<id> in Redis is a cache and nothing else. Reads go there first;
// whoever cannot reach Redis goes to PostgreSQL, which is slower, and does not
// trust the cache again before it was emptied: see cache.go.
package state
