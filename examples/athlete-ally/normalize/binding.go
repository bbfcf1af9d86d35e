package normalize

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	pullWait  = 500 * time.Millisecond
	pauseWait = 250 * time.Millisecond
)

// binding reads one durable on one stream until it is told to stop.
type binding struct {
	durable    durable
	stream     string
	consumer   jetstream.Consumer
	maxDeliver int
	worker     *worker
	log        *slog.Logger
}

// run fetches until ctx ends. What was asked for is still taken, processed and
// acknowledged: an unanswered delivery would block its message for the whole ack
// wait.
func (b *binding) run(ctx context.Context) {
	finish := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		if !b.databaseReady(ctx) {
			continue
		}
		batch, err := b.consumer.Fetch(b.worker.cfg.Workers, jetstream.FetchMaxWait(pullWait))
		if err != nil {
			b.log.Debug("cannot fetch", "stream", b.stream, "error", err)
			pause(ctx, pauseWait)
			continue
		}
		var inFlight sync.WaitGroup
		for m := range batch.Messages() {
			inFlight.Go(func() { b.worker.handle(finish, b.durable, b.maxDeliver, m) })
		}
		inFlight.Wait()
		if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			b.log.Debug("fetch ended early", "stream", b.stream, "error", err)
			pause(ctx, pauseWait)
		}
	}
}

// databaseReady fetches nothing while the database is away: every delivery
// would cost a message one of its few tries.
func (b *binding) databaseReady(ctx context.Context) bool {
	if !b.worker.databaseAway.Load() {
		return true
	}
	if err := b.worker.store.ping(ctx); err != nil {
		pause(ctx, pauseWait)
		return false
	}
	if b.worker.databaseAway.CompareAndSwap(true, false) {
		b.worker.metrics.database.Set(1)
		b.log.Info("the database is back")
	}
	return true
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
