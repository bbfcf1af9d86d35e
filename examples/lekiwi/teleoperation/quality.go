package teleoperation

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// flushEvery is how often quality is written, with the flag on.
const flushEvery = time.Second

// quality keeps the newest sample of each session until it is written.
type quality struct {
	sessions *sessions
	log      *slog.Logger

	mu     sync.Mutex
	newest map[string]sample
}

func (q *quality) put(s sample) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.newest == nil {
		q.newest = map[string]sample{}
	}
	q.newest[s.ID] = s
}

// has says whether a session's sample waits: then it is known to be active.
func (q *quality) has(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, waits := q.newest[id]
	return waits
}

// run writes until ctx ends, and then what is left.
func (q *quality) run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			q.flush(ctx)
		case <-ctx.Done():
			q.flush(context.WithoutCancel(ctx))
			return
		}
	}
}

func (q *quality) flush(ctx context.Context) {
	q.mu.Lock()
	var samples []sample
	for _, s := range q.newest {
		samples = append(samples, s)
	}
	q.newest = nil
	q.mu.Unlock()
	if len(samples) == 0 {
		return
	}
	_, err := q.sessions.measured(ctx, samples)
	if err == nil {
		return
	}
	q.log.Warn("the quality of sessions waits", "error", err)
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range samples {
		if _, newer := q.newest[s.ID]; !newer {
			if q.newest == nil {
				q.newest = map[string]sample{}
			}
			q.newest[s.ID] = s
		}
	}
}
