package nats

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

// flow compares looks at a position that only moves when messages do. What
// it saw before is in the value: the runner keeps one for a run.
type flow struct {
	c *Conn
	p flowParams

	mu    sync.Mutex
	first bool      // there was a look
	moved bool      // and the position moved since
	last  uint64    // the position
	since time.Time // when it last moved, or was first seen
}

type flowParams struct {
	On       string         `param:"on,required,connection"`
	Stream   string         `param:"stream,required"`
	Consumer string         `param:"consumer" doc:"its deliveries and acknowledgements; without it, what the stream stores"`
	IdleFor  *time.Duration `param:"idle-for" default:"1m" doc:"nothing for so long fails"`
}

func newFlow(_ context.Context, c *Conn, p flowParams) (driver.Check, error) {
	return &flow{c: c, p: p}, nil
}

func (f *flow) idleFor() time.Duration {
	if f.p.IdleFor != nil {
		return *f.p.IdleFor
	}
	return time.Minute
}

func (f *flow) Read(ctx context.Context) evidence.Reading {
	at, what, err := f.position(ctx)
	if err != nil {
		return f.sourced(evidence.Unsure(err.Error()), what)
	}
	return f.sourced(f.judge(at, what, time.Now()), what)
}

func (f *flow) sourced(r evidence.Reading, what string) evidence.Reading {
	r.Source, r.Query = f.c.String(), what
	return r
}

func (f *flow) position(ctx context.Context) (at uint64, what string, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if f.p.Consumer == "" {
		what = "last sequence of stream " + f.p.Stream
		info, err := f.c.stream(ctx, f.p.Stream)
		if err == nil && info == nil {
			err = fmt.Errorf("there is no stream %s", f.p.Stream)
		}
		if err != nil {
			return 0, what, err
		}
		return info.State.LastSeq, what, nil
	}
	what = fmt.Sprintf("delivered and ack floor of consumer %s of stream %s", f.p.Consumer, f.p.Stream)
	info, err := f.c.consumer(ctx, f.p.Stream, f.p.Consumer)
	if err == nil && info == nil {
		err = fmt.Errorf("there is no consumer %s on stream %s", f.p.Consumer, f.p.Stream)
	}
	if err != nil {
		return 0, what, err
	}
	return info.Delivered.Consumer + info.AckFloor.Consumer, what, nil
}

func (f *flow) judge(at uint64, what string, now time.Time) evidence.Reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	bound := "advances within " + tidy(f.idleFor())
	switch {
	case !f.first || at < f.last: // the first look, or one on a stream that was made anew
		f.first, f.moved, f.last, f.since = true, false, at, now
		return evidence.Unsure("the first look: " + what + " is to compare with the next")
	case at > f.last:
		n := at - f.last
		f.moved, f.last, f.since = true, at, now
		return evidence.Passed(fmt.Sprintf("%d further", n), bound)
	}
	still := now.Sub(f.since)
	value := "nothing for " + tidy(still.Truncate(time.Millisecond))
	switch {
	case still >= f.idleFor():
		return evidence.Failed(value, bound, what+" does not advance")
	case f.moved:
		return evidence.Passed(value, bound)
	}
	return evidence.Unsure("nothing has advanced yet: " + what)
}
