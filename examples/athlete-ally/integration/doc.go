// Package integration asks a running Athlete Ally thirty questions: whether
// ingest takes what it should and names what it refuses, whether each message
// lies in the stream that owns its subject, becomes its row once, or is kept or
// dead-lettered, and whether streams, durables, cluster and tables are as the
// services count on.
//
// It may be asked at any moment: of production and of staging, under load, and in
// the middle of a migration. So a test says nothing of the topology: what holds
// of a subject is asked of the stream that owns it now, and what a migration
// leaves undone for a moment is asked again until the test's time is over.
//
// Everything sent is synthetic. Ids and users begin with event.ProbePrefix and
// the run's own mark, and by that mark every message, row and effect is taken
// back in the end, whether its test has passed or not. What was taken by a
// durable is taken back only when it is settled, so that nothing comes after.
// Services see the tests all the same: a broken message, which counts among
// normalize's errors, and refused requests, which count among ingest's.
package integration
