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

	failed map[place]string // what was last logged of a place that cannot be read
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
			b.follow(ctx, d)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.running.Wait()
			return
		}
	}
}

// sighting is what was found at one place.
type sighting struct {
	place
	consumer jetstream.Consumer
	err      error
}

// absent says what is not there; nothing when it is there or did not answer.
func (s sighting) absent() string {
	switch {
	case errors.Is(s.err, jetstream.ErrStreamNotFound):
		return "the stream is missing"
	case errors.Is(s.err, jetstream.ErrConsumerNotFound):
		return "the consumer is missing"
	}
	return ""
}

// follow compares the places of one durable with the world.
func (b *binder) follow(ctx context.Context, d durable) {
	seen := make([]sighting, 0, len(d.candidates))
	for _, stream := range d.candidates {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		consumer, err := b.find(once, d, stream)
		cancel()
		seen = append(seen, sighting{place{d.name, stream}, consumer, err})
	}
	if ctx.Err() != nil {
		return
	}
	b.tell(seen)
	for _, s := range seen {
		b.heed(ctx, d, s)
	}
}

// heed binds or unbinds. An answer of "not there" unbinds; no answer changes
// nothing, but the lag is then unknown.
func (b *binder) heed(ctx context.Context, d durable, s sighting) {
	switch {
	case s.absent() != "":
		b.unbind(s.place, s.absent())
		b.worker.metrics.lagUnknown(s.stream, d.name)
	case s.err != nil:
		b.log.Debug("cannot look", "stream", s.stream, "durable", d.name, "error", s.err)
		b.worker.metrics.lagUnknown(s.stream, d.name)
	default:
		info := s.consumer.CachedInfo()
		b.worker.metrics.lag(s.stream, d.name, info)
		b.bind(ctx, d, s.place, s.consumer, info)
	}
}

// tell logs, once for each change, which candidates cannot be read, why, and
// which later one is read in their stead. A candidate is no failure while one
// before it is read: the legacy stream is meant to go. Where one does not answer
// nothing is known of the others' part.
func (b *binder) tell(seen []sighting) {
	there := func(s sighting) bool { return s.err == nil }
	if slices.ContainsFunc(seen, func(s sighting) bool { return !there(s) && s.absent() == "" }) {
		return
	}
	for i, s := range seen {
		if slices.ContainsFunc(seen[:i+1], there) {
			delete(b.failed, s.place)
			continue
		}
		why := s.absent()
		fallback := "nothing: no other candidate has the consumer"
		if later := slices.IndexFunc(seen[i+1:], there); later >= 0 {
			fallback = seen[i+1+later].stream
		}
		if what := why + "; falls back to " + fallback; b.failed[s.place] != what {
			b.failed[s.place] = what
			b.log.Warn("Failed to bind to "+s.stream+": "+what, "stream", s.stream, "durable", s.durable, "why", why, "fallback", fallback)
		}
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
