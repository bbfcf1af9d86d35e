package datasync

import (
	"context"
	"time"

	"github.com/segue-run/segue/driver"
)

const (
	pauseFirst = 50 * time.Millisecond
	pauseMost  = 5 * time.Second
	burdenEach = time.Second // how often a source is asked how it fares
)

// pace keeps a sync from being a burden: it pauses between pages, twice as long
// each time, while the source is slower than it may be, and half as long each
// time when it is not.
type pace struct {
	p      params
	source driver.RecordSource
	pause  time.Duration
	asked  time.Time
	burden driver.Burden
}

// keep pauses if need be. took is how long the last page took.
func (p *pace) keep(ctx context.Context, took time.Duration) error {
	slow := p.p.SlowAbove > 0 && took > p.p.SlowAbove
	if b, can := p.source.(driver.Burdened); can && (p.p.LockWaits > 0 || p.p.ReplicaLag > 0) {
		if time.Since(p.asked) >= burdenEach {
			found, err := b.Burden(ctx)
			if err != nil {
				return err
			}
			p.burden, p.asked = found, time.Now()
		}
		slow = slow || p.p.LockWaits > 0 && p.burden.LockWaits >= p.p.LockWaits || p.p.ReplicaLag > 0 && p.burden.ReplicaLag >= p.p.ReplicaLag
	}
	if slow {
		p.pause = min(max(2*p.pause, pauseFirst), pauseMost)
	} else if p.pause /= 2; p.pause < pauseFirst {
		p.pause = 0
	}
	return wait(ctx, p.pause)
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
