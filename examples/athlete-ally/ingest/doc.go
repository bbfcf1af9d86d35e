// Package ingest is Athlete Ally's front door: it takes wearable data over HTTP
// and answers 202 only when JetStream has acknowledged the message.
//
// Every message goes out with a Nats-Msg-Id, the caller's request id if there is
// one, and is tried again within a budget under that same id. So a few
// milliseconds in which no stream owns the subject, or a stream without a
// leader, cost the caller time and no error; and a caller who got 503 repeats
// safely.
package ingest
