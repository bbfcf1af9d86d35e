package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/journal"
)

// lease keeps the right to write. Its time is kept by this process's own
// monotonic clock, from before the store was asked, so it is never thought
// longer than it is.
type lease struct {
	mu     sync.Mutex
	held   journal.Lease
	until  time.Time
	lost   bool
	margin time.Duration
}

// acquire takes the lease, waiting for it if the runner is told to. A lease
// whose holder is known to be dead is taken at once.
func (r *Runner) acquire(ctx context.Context, run string) (*lease, error) {
	for {
		now := time.Now()
		held, err := r.Store.Acquire(ctx, run, r.Holder, now, r.ttl())
		var other *journal.HeldError
		switch {
		case err == nil:
			return &lease{held: held, until: now.Add(r.ttl()), margin: min(time.Second, r.ttl()/5)}, nil
		case !errors.As(err, &other):
			return nil, fmt.Errorf("take the lease of run %s: %w", run, err)
		case r.Dead != nil && r.Dead(other.Holder):
			// Nobody is left to write: end the dead one's lease.
			if err := r.Store.Release(ctx, journal.Lease{Run: run, Holder: other.Holder, Epoch: other.Epoch}); err != nil {
				return nil, fmt.Errorf("end the lease of %s, which is dead: %w", other.Holder, err)
			}
			continue
		case !r.Wait:
			return nil, fmt.Errorf("run %s: %w", run, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(max(time.Until(other.Expires), 10*time.Millisecond), r.ttl()/5)):
		}
	}
}

func (l *lease) get() (journal.Lease, time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, l.until, l.lost
}

// mine is driver.Effect's Mine: the last moment for a write lies well before
// the lease's end, so that its call's deadline does too.
func (l *lease) mine() error {
	_, until, lost := l.get()
	if lost || !time.Now().Before(until.Add(-l.margin)) {
		return driver.ErrNotMine
	}
	return nil
}

func (l *lease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

// keep renews the lease until ctx ends or it is lost; lost tells when. It is
// given up a margin before its end, so that every call that is still going has
// been cancelled when a successor may begin.
func (l *lease) keep(ctx context.Context, r *Runner, lost func()) {
	every := r.ttl() / 4
	for {
		_, until, _ := l.get()
		wait := min(every, max(time.Until(until.Add(-l.margin)), 0))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		held, until, _ := l.get()
		now := time.Now()
		if !now.Before(until.Add(-l.margin)) {
			l.lose()
			lost()
			return
		}
		renewed, err := r.Store.Renew(ctx, held, now, r.ttl())
		switch {
		case err == nil:
			l.mu.Lock()
			l.held, l.until = renewed, now.Add(r.ttl())
			l.mu.Unlock()
		case ctx.Err() != nil:
			return
		case errors.Is(err, journal.ErrLeaseLost):
			l.lose()
			lost()
			return
		default:
			r.log().Warn("the lease could not be renewed; trying again", "run", held.Run, "error", err)
			every = min(r.ttl()/20, time.Second)
			continue
		}
		every = r.ttl() / 4
	}
}
