// Package nats speaks to NATS JetStream: streams, consumers, probes, purges,
// deletions, backups and their restoring, and the plain move of subjects from
// one stream to another.
//
// What an action owns is in its state under the identity of the stream
// (nats:<cluster>/<account>/stream/<name>) or of the consumer beneath it, one
// field per setting, named as in a runbook; all actions use the same names, so
// that the plan of one step sees what an earlier one will have left.
//
// # A stream without subjects
//
// JetStream has no such thing: an empty list silently becomes the stream's own
// name, and the stream then takes what is published there. Segue gives a
// closed stream the subject "_segue.closed.<stream>", to which nobody
// publishes, and shows it as what it stands for: no subjects.
//
// # Writing
//
// Requests go to the JetStream API itself and a configuration is changed key
// by key in the JSON that the server gave, so that what this version of the
// client does not know survives. A request that the server did not take is
// sent again until its context ends; before each sending Effect.Mine is asked.
// While the connection is away nothing is buffered: no write arrives late.
package nats
