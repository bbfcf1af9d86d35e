package host

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type memoryParams struct {
	Above *runbook.Bytes   `param:"available-above" doc:"What can be had without swapping must be above this: what the kernel says of the machine, or what the limit of a cgroup leaves, if that is less."`
	Below *runbook.Percent `param:"used-below" doc:"The share that cannot be had must be below this, of the machine's memory and of each limit."`
}

func (p memoryParams) room() room { return room{p.Above, p.Below} }

// Validate implements what types cannot say.
func (p memoryParams) Validate() error { return p.room().validate("available-above") }

type memoryRead struct {
	p memoryParams
	k kernel
}

func memoryCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.memory",
		Doc:  "There is memory to be had on this machine, and within the limits of Segue's cgroup. Unknown when that cannot be read.",
	}, func(_ context.Context, _ driver.Conn, p memoryParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.memory: %w", err)
		}
		return &memoryRead{p, kernel{}}, nil
	})
}

// Read implements driver.Check.
func (c *memoryRead) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if m, err := c.k.memory(); err != nil || ctx.Err() != nil {
		r = unread(ctx, err)
	} else {
		value := fmt.Sprintf("%s available of %s, %s used", bytes(m.available), bytes(m.total), percent(m.used))
		if m.limit != "" {
			value += ", by the limit of cgroup " + m.limit
		}
		r = c.p.room().judge(m.available, m.used, value)
	}
	r.Bound, r.Source, r.Query = c.p.room().String("available"), source(), "/proc/meminfo and memory.max"
	return r
}

func unread(ctx context.Context, err error) evidence.Reading {
	if err == nil {
		err = ctx.Err()
	}
	return evidence.Unsure(err.Error())
}
