package driver

import (
	"context"
	"sync"
	"time"
)

// Progress is how far something that takes long has come.
type Progress struct {
	Done, Of float64       // Of is 0 when that is not known
	What     string        // what is counted: "pairs"
	Left     time.Duration // how long it will yet take; 0 when that is not known
	Note     string        // how it goes, for people
}

type progressKey struct{}

// WithProgress returns a context in which actions and checks that take long
// tell how far they are. tell is called often, by any goroutine, and must be
// quick.
func WithProgress(ctx context.Context, tell func(Progress)) context.Context {
	return context.WithValue(ctx, progressKey{}, tell)
}

// Tell tells how far something is, if somebody wants to know.
func Tell(ctx context.Context, p Progress) {
	if tell, ok := ctx.Value(progressKey{}).(func(Progress)); ok {
		tell(p)
	}
}

// A Meter takes from what is told often what is worth saying: now and then, with
// the time that is left at the pace so far.
type Meter struct {
	Every time.Duration

	mu    sync.Mutex
	began time.Time
	last  time.Time
	first float64 // Done when it began
}

// Take reports whether p is to be said now.
func (m *Meter) Take(p Progress, now time.Time) (Progress, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() || p.Done < m.first { // of what begins anew
		m.began, m.first = now, p.Done
		if m.last.IsZero() {
			m.last = now
		}
	}
	if now.Sub(m.last) < m.Every {
		return p, false
	}
	m.last = now
	if done := p.Done - m.first; p.Left == 0 && done > 0 && p.Of > p.Done {
		p.Left = time.Duration(float64(now.Sub(m.began)) * (p.Of - p.Done) / done)
	}
	return p, true
}
