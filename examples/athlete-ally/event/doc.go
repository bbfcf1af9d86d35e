// Package event holds the words that Athlete Ally's services share: the
// subjects, streams, durables and headers on the bus, and the three kinds of
// message with their validation.
//
// Nothing here does I/O. Ingest and normalize check a message with the same
// function, so what ingest accepts normalize can store, and a publisher that
// goes around ingest is held to the same schema.
package event

// Subjects on which the three kinds of message travel.
const (
	SubjectHRV   = "athlete-ally.hrv.raw-received"
	SubjectOura  = "vendor.oura.webhook.received"
	SubjectSleep = "sleep.raw-received"
	// PrefixDLQ goes before the original subject of a dead letter.
	PrefixDLQ = "dlq."
)

// Streams of the topology before and after the migration.
const (
	StreamLegacy = "ATHLETE_ALLY_EVENTS"
	StreamCore   = "AA_CORE_HOT"
	StreamVendor = "AA_VENDOR_HOT"
	StreamDLQ    = "AA_DLQ"
)

// Durable consumers of normalize.
const (
	DurableHRV  = "normalize-hrv-durable"
	DurableOura = "normalize-oura"
)

// Headers of a message. The Nats-Msg-Id is JetStream's own; HeaderMessageID
// names the message for those who publish without it.
const (
	HeaderMessageID  = "AA-Message-Id"
	HeaderReceivedAt = "AA-Received-At"
)

// Headers of a dead letter: why, how often, from where.
const (
	HeaderDLQReason     = "AA-Dlq-Reason"
	HeaderDLQError      = "AA-Dlq-Error"
	HeaderDLQDeliveries = "AA-Dlq-Deliveries"
	HeaderDLQSubject    = "AA-Dlq-Subject"
	HeaderDLQStream     = "AA-Dlq-Stream"
	HeaderDLQSequence   = "AA-Dlq-Sequence"
	HeaderDLQConsumer   = "AA-Dlq-Consumer"
	HeaderDLQTime       = "AA-Dlq-Time"
)
