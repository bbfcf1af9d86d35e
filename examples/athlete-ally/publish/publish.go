// Package publish gets messages acknowledged across the moments in which no stream
// owns their subject: many short tries under one Nats-Msg-Id, within one budget.
package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoAck is the end of the retry budget: nobody knows whether the message is
// stored, and the same id may be sent again.
var ErrNoAck = errors.New("no acknowledgement within the budget")

// Publisher gets one message acknowledged, by whichever stream owns its subject
// at the time.
type Publisher struct {
	JS jetstream.JetStream
	// Budget bounds all tries together, Timeout each of them.
	Budget  time.Duration
	Timeout time.Duration
}

// Publish returns the acknowledgement, or ErrNoAck at the end of the budget. The
// message should carry a Nats-Msg-Id: a try whose answer was lost may be stored.
func (p Publisher) Publish(ctx context.Context, msg *nats.Msg) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Budget)
	defer cancel()
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 5 * time.Millisecond, Multiplier: 2,
		RandomizationFactor: 0.3, MaxInterval: 250 * time.Millisecond,
	}
	ack, err := backoff.Retry(ctx, func() (*jetstream.PubAck, error) {
		tryCtx, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		ack, err := p.JS.PublishMsg(tryCtx, msg, jetstream.WithRetryAttempts(0))
		if err != nil && hopeless(err) {
			return nil, backoff.Permanent(err)
		}
		return ack, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(p.Budget))
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w: %w", msg.Subject, ErrNoAck, err)
	}
	return ack, nil
}

// hopeless errors are the same at the next try.
func hopeless(err error) bool {
	return errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrConnectionClosed)
}
