package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// behindEvery is how often background work is asked how far behind it is.
const behindEvery = 2 * time.Second

// background keeps the work of a step going until it is to end.
func (j *job) background(ctx context.Context) {
	wait := time.Second
	for {
		a, eff, err := j.open(ctx, false)
		if err == nil {
			b, ok := a.(driver.Background)
			if !ok {
				j.l.r.log().Error("it is no background action", "step", j.def.ID)
				return
			}
			err = j.work(ctx, b, eff)
		}
		if ctx.Err() != nil {
			break
		}
		j.behind(0, fmt.Errorf("it ended, and is started again: %w", err))
		j.l.r.log().Warn("background work ended; starting it again", "step", j.def.ID, "error", err)
		if !pause(ctx, wait) {
			break
		}
		wait = min(2*wait, time.Minute)
	}
	j.done()
}

// work runs background work, and tells meanwhile how far behind it is: that is
// what going back would cost where it carries writes back.
func (j *job) work(ctx context.Context, b driver.Background, eff driver.Effect) error {
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, eff) }()
	tick := time.NewTicker(behindEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			d, err := b.Staleness(ctx)
			if d > 0 {
				j.fresh = time.Now().Add(-d)
			}
			j.behind(d, err)
		}
	}
}

// behind tells how far behind the work is, or that this is not known: then since
// when it is not.
func (j *job) behind(d time.Duration, err error) {
	r := evidence.Passed(tenths(d), "")
	if err != nil {
		r = evidence.Unsure(j.l.r.errorText(err))
		if !j.fresh.IsZero() {
			r.Value = tenths(time.Since(j.fresh))
		}
	}
	r.At, r.Source = time.Now(), j.def.Kind.Name
	j.l.tell(news{from: j.f, check: engine.Behind(j.def.ID), reading: r})
}

// tenths is a duration in tenths of a second, rather too long than too short.
func tenths(d time.Duration) string {
	const tenth = 100 * time.Millisecond
	return (d + tenth - 1).Truncate(tenth).String()
}
