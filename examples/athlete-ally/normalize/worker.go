package normalize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// worker turns one message into one outcome.
type worker struct {
	cfg     Config
	log     *slog.Logger
	js      jetstream.JetStream
	store   *store
	metrics *metrics
	// databaseAway is set by the first write that could not reach the
	// database; nothing more is fetched until it answers again.
	databaseAway atomic.Bool
	// deadLetterAll is the fault that tests and demonstrations ask for.
	deadLetterAll atomic.Bool
}

var errFault = errors.New("fault injected: everything is dead-lettered")

// handle processes a message and settles it: ack, nak or term.
func (w *worker) handle(ctx context.Context, d durable, maxDeliver int, m jetstream.Msg) {
	start := time.Now()
	meta, err := m.Metadata()
	if err != nil {
		w.log.Error("a message without metadata", "subject", m.Subject(), "error", err)
		return
	}
	from := origin{
		messageID: messageID(m), stream: meta.Stream, seq: meta.Sequence.Stream, receivedAt: receivedAt(m, meta),
	}
	result := w.settle(ctx, d, maxDeliver, m, meta, from)
	w.metrics.outcome(d, m.Subject(), meta.Stream, result, time.Since(start))
}

func (w *worker) settle(ctx context.Context, d durable, maxDeliver int, m jetstream.Msg, meta *jetstream.MsgMetadata, from origin) string {
	err := w.process(ctx, d, m, from)
	if err == nil {
		w.told(m.Ack(), "ack", from)
		_, ok := w.metrics.counter(d.name)
		return ok
	}
	var bad *event.InvalidError
	result, reason := resultDLQ, reasonRefused
	switch {
	case errors.As(err, &bad):
		result, reason = resultSchema, reasonSchema
	case errors.Is(err, errFault):
		reason = reasonFault
	case retryable(err):
		w.databaseAway.Store(true)
		w.metrics.database.Set(0)
		if maxDeliver <= 0 || meta.NumDelivered < uint64(maxDeliver) {
			w.log.Warn("will try again", "id", from.messageID, "delivery", meta.NumDelivered, "error", err)
			w.told(m.NakWithDelay(w.cfg.RetryDelay), "nak", from)
			return resultRetry
		}
		reason = reasonExhausted
	}
	if dlqErr := deadLetter(ctx, w.js, m, d.name, from.messageID, reason, err); dlqErr != nil {
		w.log.Warn("kept: the dead letter has no home", "id", from.messageID, "stream", from.stream, "seq", from.seq,
			"delivery", meta.NumDelivered, "reason", reason, "cause", err, "error", dlqErr)
		w.told(m.NakWithDelay(w.cfg.KeepDelay), "nak", from)
		return resultRetry
	}
	w.log.Warn("dead letter", "id", from.messageID, "stream", from.stream, "seq", from.seq, "reason", reason, "error", err)
	w.told(m.TermWithReason(reason), "term", from)
	w.metrics.dlq.WithLabelValues(d.name, reason, m.Subject()).Inc()
	return result
}

func (w *worker) process(ctx context.Context, d durable, m jetstream.Msg, from origin) error {
	if w.deadLetterAll.Load() {
		return errFault
	}
	if d.name == event.DurableHRV {
		h, err := event.ParseHRV(m.Data())
		if err != nil {
			return err
		}
		return w.store.saveHRV(ctx, from, h)
	}
	o, err := event.ParseOura(m.Data())
	if err != nil {
		return err
	}
	return w.store.saveOura(ctx, from, o)
}

// told logs an answer that did not reach the server; the message comes again.
func (w *worker) told(err error, what string, from origin) {
	if err != nil {
		w.log.Warn("not settled", "what", what, "id", from.messageID, "stream", from.stream, "seq", from.seq, "error", err)
	}
}

// messageID is the same in whichever stream a message is met: the publisher's
// name for it, or else its content.
func messageID(m jetstream.Msg) string {
	for _, header := range []string{event.HeaderMessageID, nats.MsgIdHdr} {
		if id := m.Headers().Get(header); id != "" {
			return id
		}
	}
	sum := sha256.Sum256(m.Data())
	return "sha256-" + hex.EncodeToString(sum[:16])
}

// receivedAt prefers ingest's own time: a copied message has a new one in its
// stream.
func receivedAt(m jetstream.Msg, meta *jetstream.MsgMetadata) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, m.Headers().Get(event.HeaderReceivedAt)); err == nil {
		return at
	}
	return meta.Timestamp
}
