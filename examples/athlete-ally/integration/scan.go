package integration

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// scanWithin bounds the look through one stream, fetchWithin one request of it.
const (
	scanWithin  = 8 * time.Second
	fetchWithin = 250 * time.Millisecond
)

// scan shows the headers between two sequences of a stream, with a consumer of its
// own that is gone afterwards. It asks for little time, and again: what is asked
// of a consumer right after it was made may not reach it. A stream that is gone
// shows nothing.
func (b *bench) scan(ctx context.Context, name string, from, to uint64, each func(seq uint64, h nats.Header)) error {
	if to < from {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, scanWithin)
	defer cancel()
	consumer, err := b.js.CreateConsumer(ctx, name, jetstream.ConsumerConfig{
		Name: b.mark + rand.Text()[:6], AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, Replicas: 1, MemoryStorage: true,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from, InactiveThreshold: 10 * time.Second,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// If this is not heard it goes by itself, soon.
	defer func() { _ = b.js.DeleteConsumer(context.WithoutCancel(ctx), name, consumer.CachedInfo().Name) }()
	for at, idle := from-1, 0; at < to && idle < 2; {
		batch, err := consumer.Fetch(1000, jetstream.FetchMaxWait(fetchWithin))
		if err != nil {
			return err
		}
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			at = meta.Sequence.Stream
			each(at, m.Headers())
			if meta.NumPending == 0 {
				break
			}
		}
		if at >= to {
			break
		}
		info, err := consumer.Info(ctx)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound):
			return nil
		case err != nil:
			return err
		case info.NumPending == 0:
			idle++ // what was behind is gone, or its replica of the stream is late
		default:
			idle = 0
		}
	}
	return nil
}
