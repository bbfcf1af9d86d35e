package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type cpuParams struct {
	Below runbook.Percent `param:"used-below,required" doc:"The share of the processors' time that was used since the last look, or in the second after the first one, must be below this."`
}

// Validate implements what types cannot say.
func (p cpuParams) Validate() error {
	if !(p.Below > 0 && p.Below <= 100) {
		return &runbook.FieldError{Field: "used-below", Problem: "that is no share of the processors' time", Remedy: "write one above 0% and up to 100%"}
	}
	return nil
}

const (
	shortest = time.Second     // between two looks
	oldest   = 5 * time.Minute // a look before that says nothing of now
)

// cpu remembers its last look.
type cpu struct {
	p cpuParams
	k kernel

	mu     sync.Mutex
	last   ticks
	looked time.Time
}

func cpuCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.cpu",
		Doc:  "The processors of this machine have time left, between one look and the next. Unknown when that cannot be read.",
	}, func(_ context.Context, _ driver.Conn, p cpuParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.cpu: %w", err)
		}
		return &cpu{p: p}, nil
	})
}

// Read implements driver.Check.
func (c *cpu) Read(ctx context.Context) evidence.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	var r evidence.Reading
	if used, over, err := c.look(ctx); err != nil {
		r = evidence.Unsure(err.Error())
	} else if text := fmt.Sprintf("%s used in %s", percent(used), over.Round(100*time.Millisecond)); used >= float64(c.p.Below) {
		r = evidence.Failed(text, "", fmt.Sprintf("%s is not below %g%%", percent(used), float64(c.p.Below)))
	} else {
		r = evidence.Passed(text, "")
		r.Samples = 1
	}
	r.Bound, r.Source, r.Query = fmt.Sprintf("used below %g%%", float64(c.p.Below)), source(), "/proc/stat"
	return r
}

// look compares with the look before, if there is one that is of use.
func (c *cpu) look(ctx context.Context) (used float64, over time.Duration, err error) {
	if c.looked.IsZero() || time.Since(c.looked) > oldest {
		if err := c.remember(); err != nil {
			return 0, 0, err
		}
	}
	if wait := shortest - time.Since(c.looked); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	before, since := c.last, c.looked
	if err := c.remember(); err != nil {
		return 0, 0, err
	}
	used, err = usedBetween(before, c.last)
	return used, c.looked.Sub(since), err
}

func (c *cpu) remember() error {
	now, err := c.k.ticks()
	if err != nil {
		return err
	}
	c.last, c.looked = now, time.Now()
	return nil
}

func usedBetween(a, b ticks) (float64, error) {
	if b.all <= a.all || b.busy < a.busy || b.busy-a.busy > b.all-a.all {
		return 0, errors.New("the times in /proc/stat do not run forwards: a processor was added or taken away")
	}
	return share(b.busy-a.busy, b.all-a.all), nil
}
