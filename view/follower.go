package view

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// pollEvery is how often the readings and the lease are looked at; the journal
// is followed.
const pollEvery = time.Second

// A follower knows the latest of a source.
type follower struct {
	src Source

	mu     sync.Mutex
	h      *runner.History
	seen   []report.Seen
	holder string
	fresh  chan struct{} // has something in it when the history has grown
}

func newFollower(src Source) *follower {
	return &follower{src: src, fresh: make(chan struct{}, 1)}
}

// follow keeps the follower up to date until ctx ends or the journal cannot be
// followed.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { f.poll(ctx) })
	return f.src.Follow(ctx, func(h *runner.History) error {
		f.mu.Lock()
		f.h = h
		f.mu.Unlock()
		select {
		case f.fresh <- struct{}{}:
		default:
		}
		return nil
	})
}

// poll looks at what cannot be followed. What cannot be had now is had later.
func (f *follower) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		f.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *follower) look(ctx context.Context) {
	if holder, err := f.src.Holder(ctx); err == nil {
		f.mu.Lock()
		f.holder = holder
		f.mu.Unlock()
	}
	f.mu.Lock()
	h, seen := f.h, f.seen
	f.mu.Unlock()
	if h == nil {
		return
	}
	since := time.Now().Add(-report.Window(h.Runbook))
	from := since
	if n := len(seen); n > 0 {
		from = seen[n-1].Reading.At.Add(-2 * pollEvery) // those stored late
	}
	news, err := f.src.Readings(ctx, from)
	if err != nil {
		return
	}
	var latest []report.Seen
	for _, s := range seen {
		if s.Reading.At.After(since) && s.Reading.At.Before(from) {
			latest = append(latest, s)
		}
	}
	f.mu.Lock()
	f.seen = slices.Concat(latest, news)
	f.mu.Unlock()
}

// scene is what there is to show at a time; false before anything is known.
func (f *follower) scene(now time.Time) (Scene, bool) {
	f.mu.Lock()
	h, seen, holder := f.h, f.seen, f.holder
	f.mu.Unlock()
	if h == nil {
		return Scene{}, false
	}
	return NewScene(h, seen, holder, now), true
}
