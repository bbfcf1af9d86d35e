package normalize

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// binder keeps one binding for each candidate stream on which a durable exists.
type binder struct {
	cfg      Config
	durables []durable
	js       jetstream.JetStream
	worker   *worker
	log      *slog.Logger

	mu      sync.Mutex
	bound   map[place]*running
	running sync.WaitGroup
}

type place struct{ durable, stream string }

type running struct {
	created time.Time
	stop    context.CancelFunc
	done    chan struct{}
}

// run looks until ctx ends and returns when every binding has finished.
func (b *binder) run(ctx context.Context) {
	tick := time.NewTicker(b.cfg.LookEvery)
	defer tick.Stop()
	for {
		for _, d := range b.durables {
			for _, stream := range d.candidates {
				b.look(ctx, d, stream)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.running.Wait()
			return
		}
	}
}

// look compares one place with the world. An answer of "not there" unbinds; no
// answer changes nothing, but the lag is then unknown.
func (b *binder) look(ctx context.Context, d durable, stream string) {
	ctx2, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	at := place{d.name, stream}
	consumer, err := b.find(ctx2, d, stream)
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		b.unbind(at, "it is gone")
		b.worker.metrics.lagUnknown(stream, d.name)
	case err != nil:
		b.log.Debug("cannot look", "stream", stream, "durable", d.name, "error", err)
		b.worker.metrics.lagUnknown(stream, d.name)
	default:
		info := consumer.CachedInfo()
		b.worker.metrics.lag(stream, d.name, float64(info.NumPending), float64(info.NumAckPending))
		b.bind(ctx, d, at, consumer, info)
	}
}

// find creates nothing, except in single mode the durable that it cannot do
// without.
func (b *binder) find(ctx context.Context, d durable, stream string) (jetstream.Consumer, error) {
	consumer, err := b.js.Consumer(ctx, stream, d.name)
	if b.cfg.Mode == ModeSingle && errors.Is(err, jetstream.ErrConsumerNotFound) {
		return b.js.CreateConsumer(ctx, stream, b.cfg.consumerConfig(d))
	}
	return consumer, err
}

func (b *binder) bind(ctx context.Context, d durable, at place, consumer jetstream.Consumer, info *jetstream.ConsumerInfo) {
	b.mu.Lock()
	old, ok := b.bound[at]
	b.mu.Unlock()
	if ok && old.created.Equal(info.Created) {
		return
	}
	if ok {
		b.unbind(at, "it was made anew")
	}
	bindCtx, stop := context.WithCancel(ctx)
	r := &running{created: info.Created, stop: stop, done: make(chan struct{})}
	b.mu.Lock()
	b.bound[at] = r
	b.mu.Unlock()
	b.worker.metrics.bound(d, at.stream)
	b.log.Info("bound to "+at.stream, "stream", at.stream, "durable", d.name, "pending", info.NumPending)
	bnd := &binding{
		durable: d, stream: at.stream, consumer: consumer, maxDeliver: info.Config.MaxDeliver, worker: b.worker, log: b.log,
	}
	b.running.Go(func() {
		defer close(r.done)
		bnd.run(bindCtx)
	})
}

func (b *binder) unbind(at place, why string) {
	b.mu.Lock()
	r, ok := b.bound[at]
	delete(b.bound, at)
	b.mu.Unlock()
	if !ok {
		return
	}
	r.stop()
	<-r.done
	b.log.Info("unbound from "+at.stream, "stream", at.stream, "durable", at.durable, "why", why)
}

// streams lists where each durable is read.
func (b *binder) streams() map[string][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string][]string{}
	for _, d := range b.durables {
		out[d.name] = []string{}
	}
	for at := range b.bound {
		out[at.durable] = append(out[at.durable], at.stream)
	}
	for _, streams := range out {
		slices.Sort(streams)
	}
	return out
}
