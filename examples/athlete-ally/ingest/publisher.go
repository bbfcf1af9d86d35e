package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errNoAck is the end of the retry budget: nobody knows whether the message is
// stored, and the same id may be sent again.
var errNoAck = errors.New("no acknowledgement within the budget")

// publisher gets one message acknowledged, by whichever stream owns its subject
// at the time.
type publisher struct {
	js      jetstream.JetStream
	budget  time.Duration
	timeout time.Duration
}

func (p publisher) publish(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, p.budget)
	defer cancel()
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 5 * time.Millisecond, Multiplier: 2,
		RandomizationFactor: 0.3, MaxInterval: 250 * time.Millisecond,
	}
	ack, err := backoff.Retry(ctx, func() (*jetstream.PubAck, error) {
		tryCtx, cancel := context.WithTimeout(ctx, p.timeout)
		defer cancel()
		ack, err := p.js.PublishMsg(tryCtx, msg, jetstream.WithRetryAttempts(0))
		if err != nil && hopeless(err) {
			return nil, backoff.Permanent(err)
		}
		return ack, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(p.budget))
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w: %w", msg.Subject, errNoAck, err)
	}
	return ack, nil
}

// hopeless errors are the same at the next try.
func hopeless(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrConnectionClosed)
}
