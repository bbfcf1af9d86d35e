// Package ledger counts what became of every message of a load. It asks nobody
// in between: it compares the load's own journal with what lies in the streams
// and in the database.
//
// A message is lost when the system took responsibility for it (202, or a
// PubAck) and it is neither in the database, nor among the dead letters, nor
// still waiting for a durable that will deliver it. Lying in a stream that
// nobody will read is lost. Two things are not lost: sleep data, which no service
// reads and whose place is the stream; and a message that breaks the schema,
// which is kept in its stream while no stream owns dlq.>.
//
// A message is doubled when it was processed twice with effect: it has two rows
// in normalize_effects, which are written in the same statement as the change
// and only if there was one. A redelivery that changes nothing has none.
//
// A message is out of order when a lane, which is one publisher on one subject,
// sent it after another that was stored later. Within a stream the sequence
// decides, between streams the time of the first copy.
//
// Probes, which are synthetic (event.ProbePrefix), are none of this: whoever
// sends one takes it back, and what is left of them is counted apart.
//
// When a stream was deleted, its messages are proved by its backup: the newest
// whole one is restored into a throw-away server and read there, so the proof is
// of the backup as well. It proves that a message was stored. Sleep data needs
// no more; a reading or a webhook still needs its row, as nobody reads a backup.
package ledger
