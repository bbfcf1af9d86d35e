package normalize

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// Reasons of a dead letter.
const (
	reasonSchema    = "schema_invalid"
	reasonRefused   = "not_retryable"
	reasonExhausted = "max_deliveries"
	reasonFault     = "fault"
)

const deadLetterTimeout = 2 * time.Second

// deadLetter copies a message to dlq.<its subject>. It returns nil only when a
// stream has acknowledged the copy.
func deadLetter(ctx context.Context, js jetstream.JetStream, m jetstream.Msg, consumer, id, reason string, cause error) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	dead := nats.NewMsg(event.PrefixDLQ + m.Subject())
	dead.Data = m.Data()
	for key, values := range m.Headers() {
		// JetStream's own headers steer a publish: they belong to the original.
		if !strings.HasPrefix(key, "Nats-") {
			dead.Header[key] = values
		}
	}
	set := dead.Header.Set
	set(nats.MsgIdHdr, "dlq-"+id)
	set(event.HeaderMessageID, id)
	set(event.HeaderDLQReason, reason)
	set(event.HeaderDLQError, oneLine(cause))
	set(event.HeaderDLQDeliveries, strconv.FormatUint(meta.NumDelivered, 10))
	set(event.HeaderDLQSubject, m.Subject())
	set(event.HeaderDLQStream, meta.Stream)
	set(event.HeaderDLQSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	set(event.HeaderDLQConsumer, consumer)
	set(event.HeaderDLQTime, time.Now().UTC().Format(time.RFC3339Nano))
	ctx, cancel := context.WithTimeout(ctx, deadLetterTimeout)
	defer cancel()
	if _, err := js.PublishMsg(ctx, dead, jetstream.WithRetryAttempts(1), jetstream.WithRetryWait(50*time.Millisecond)); err != nil {
		return fmt.Errorf("dead letter to %s: %w", dead.Subject, err)
	}
	return nil
}

// oneLine makes an error fit for a header.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
