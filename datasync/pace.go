package datasync

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
)

const (
	pauseFirst = 50 * time.Millisecond
	pauseMost  = 5 * time.Second
	burdenEach = time.Second // how often a source is asked how it fares
)

// pace keeps a sync from being a burden. While too many wait for locks or a
// replica is too far behind, nothing is read. While the source is slower than it
// may be, the sync pauses between pages, twice as long each time, and half as
// long each time when it is not.
type pace struct {
	p      params
	source driver.RecordSource
	pause  time.Duration
	slow   string // why it pauses that long
	asked  time.Time

	mu     sync.Mutex // who writes tells what who reads does
	paused paused
	now    string // why it pauses or is slowed down; "" while it does not
}

// paused is how long a sync has paused so as to be no burden, and why it did last.
type paused struct {
	Paused  time.Duration `json:"paused,omitempty"` // nanoseconds
	Because string        `json:"because,omitempty"`
}

// hold waits while the source bears too much. tell is told when it begins to.
func (p *pace) hold(ctx context.Context, tell func()) error {
	source, can := p.source.(driver.Burdened)
	if !can || p.p.LockWaits == 0 && p.p.ReplicaLag == 0 {
		return nil
	}
	for time.Since(p.asked) >= burdenEach {
		burden, err := source.Burden(ctx)
		if err != nil {
			return fmt.Errorf("ask the source how it fares: %w", err)
		}
		if p.p.ReplicaLag > 0 && burden.Hidden != nil {
			return burden.Hidden
		}
		p.asked = time.Now()
		why := p.tooMuch(burden)
		if why == "" {
			p.say("")
			return nil
		}
		if err := p.rest(ctx, burdenEach, why, tell); err != nil {
			return err
		}
	}
	return nil
}

// tooMuch is what of a burden is more than the source may bear; "" for nothing.
func (p *pace) tooMuch(b driver.Burden) string {
	switch {
	case p.p.LockWaits > 0 && b.LockWaits >= p.p.LockWaits:
		return fmt.Sprintf("%d sessions of the source wait for locks, and lock-waits is %d", b.LockWaits, p.p.LockWaits)
	case p.p.ReplicaLag > 0 && b.ReplicaLag >= p.p.ReplicaLag:
		return fmt.Sprintf("a replica of the source is %s behind, and replica-lag is %s", b.ReplicaLag.Round(time.Millisecond), p.p.ReplicaLag)
	}
	return ""
}

// keep pauses if need be. took is how long the source took for the last page.
func (p *pace) keep(ctx context.Context, took time.Duration, tell func()) error {
	if p.p.SlowAbove > 0 && took > p.p.SlowAbove {
		p.pause = min(max(2*p.pause, pauseFirst), pauseMost)
		p.slow = fmt.Sprintf("the source took %s for a page, and slow-above is %s", took.Round(time.Millisecond), p.p.SlowAbove)
	} else if p.pause /= 2; p.pause < pauseFirst {
		p.pause = 0
	}
	if p.pause == 0 {
		p.say("")
	} else if err := p.rest(ctx, p.pause, p.slow, tell); err != nil {
		return err
	}
	return p.hold(ctx, tell)
}

// rest pauses, and counts it.
func (p *pace) rest(ctx context.Context, d time.Duration, why string, tell func()) error {
	p.say(why)
	tell()
	began := time.Now()
	err := wait(ctx, d)
	p.mu.Lock()
	p.paused.Paused += time.Since(began)
	p.mu.Unlock()
	return err
}

func (p *pace) say(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now = why; why != "" {
		p.paused.Because = why
	}
}

// told is how long it has paused so far.
func (p *pace) told() paused {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused
}

// note says that the sync is held back just now, and why.
func (p *pace) note() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == "" {
		return ""
	}
	return "pausing: " + p.now
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
