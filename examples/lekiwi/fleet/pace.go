package fleet

import (
	"context"
	"time"
)

// beat is how long the schedule sleeps at most: what falls due meanwhile is
// handed out at once, and late by that much in its own latency.
const beat = time.Millisecond

// pace hands out the things of a load when they are due, n at start + n/rate,
// until ctx ends. It never waits for what it handed out: do must not block.
func pace(ctx context.Context, start time.Time, rate float64, do func(n int, due time.Time)) {
	if rate <= 0 {
		<-ctx.Done()
		return
	}
	due := func(n int) time.Time { return start.Add(time.Duration(float64(n) / rate * float64(time.Second))) }
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; {
		timer.Reset(max(beat, time.Until(due(n))))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for now := time.Now(); !due(n).After(now); n++ {
			if ctx.Err() != nil {
				return
			}
			do(n, due(n))
		}
	}
}
