// Package normalize is Athlete Ally's worker: it reads raw messages from
// JetStream, writes rows to PostgreSQL and acknowledges.
//
// Which streams it reads is not configuration but observation. For each of its
// durables there is a list of candidate streams; it reads from every candidate
// on which the durable exists, looks again twice a second, and so follows a
// migration: the new stream is read as soon as its durable is there, and the
// old one until its backlog is done and its durable is deleted. It creates no
// durable itself, but in single mode, where it needs one on the legacy stream.
//
// A message is delivered at least once, so its row is written such that a
// repeat changes nothing. What did change is recorded in normalize_effects in
// the same statement; a message with two effects there was processed twice with
// effect.
//
// A message that can never be stored is copied to dlq.<its subject>, and
// terminated only once that copy is acknowledged. While no stream owns dlq.> it
// is given back and kept.
package normalize
