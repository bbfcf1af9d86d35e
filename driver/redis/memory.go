package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type memoryParams struct {
	Below runbook.Percent `param:"used-below" doc:"The share of maxmemory in use must be below this." default:"90%"`
}

// Validate implements what types cannot say.
func (p memoryParams) Validate() error {
	if p.Below < 0 || p.Below > 100 {
		return &runbook.FieldError{Field: "used-below", Problem: "that is no share of what there is", Remedy: "write one above 0% and up to 100%"}
	}
	return nil
}

// memory measures how much of what it may have the server has taken.
type memory struct {
	c     *Conn
	below float64
}

func memoryCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "redis.memory", On: kind,
		Doc: "The share of maxmemory in use is below a bound. Unknown when the server does not answer, or has no maxmemory.",
	}, func(_ context.Context, c *Conn, p memoryParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("redis.memory: %w", err)
		}
		if p.Below == 0 {
			p.Below = 90
		}
		return &memory{c, float64(p.Below)}, nil
	})
}

// Read implements driver.Check.
func (m *memory) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if used, limit, err := m.look(ctx); err != nil {
		r = evidence.Unsure(err.Error())
	} else {
		share := 100 * used / limit
		value := fmt.Sprintf("%.1f %% (%.0f of %.0f bytes)", share, used, limit)
		if r = evidence.Passed(value, ""); share >= m.below {
			r = evidence.Failed(value, "", value+" are in use")
		}
		r.Samples = 1
	}
	r.Bound, r.Source, r.Query = fmt.Sprintf("below %g %%", m.below), m.c.String(), "INFO memory"
	return r
}

func (m *memory) look(ctx context.Context) (used, limit float64, err error) {
	info, err := m.c.info(ctx, "memory")
	if err != nil {
		return 0, 0, err
	}
	used, err1 := number(info, "used_memory")
	limit, err2 := number(info, "maxmemory")
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", m.c, err)
	}
	if limit == 0 {
		return 0, 0, fmt.Errorf("%s has no maxmemory: it takes what the machine has, so that there is no share to tell", m.c)
	}
	return used, limit, nil
}
