package host

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type loadParams struct {
	Below  float64 `param:"below,required" doc:"The load must be below this."`
	PerCPU bool    `param:"per-cpu" doc:"The load is divided by the number of processors."`
	Over   string  `param:"over" enum:"1m|5m|15m" doc:"Over how long it is averaged." default:"1m"`
}

// Validate implements what types cannot say.
func (p loadParams) Validate() error {
	if !(p.Below > 0) {
		return &runbook.FieldError{Field: "below", Problem: "no load is below that", Remedy: "write a number above 0, as in below: 4"}
	}
	return nil
}

func (p loadParams) over() string {
	if p.Over == "" {
		return "1m"
	}
	return p.Over
}

type load struct {
	p loadParams
	k kernel
}

func loadCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "host.load",
		Doc:  "The load of this machine, the number of tasks that run or wait to, is low enough. Unknown when it cannot be read.",
	}, func(_ context.Context, _ driver.Conn, p loadParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("host.load: %w", err)
		}
		return &load{p, kernel{}}, nil
	})
}

// Read implements driver.Check.
func (c *load) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if v, err := c.look(); err != nil || ctx.Err() != nil {
		r = unread(ctx, err)
	} else if text := number(v); v >= c.p.Below {
		r = evidence.Failed(text, "", text+" is not below "+number(c.p.Below))
	} else {
		r = evidence.Passed(text, "")
		r.Samples = 1
	}
	r.Bound, r.Source, r.Query = "below "+number(c.p.Below), source(), "load over "+c.p.over()
	if c.p.PerCPU {
		r.Query += ", per processor"
	}
	return r
}

func (c *load) look() (float64, error) {
	text, err := c.k.read("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	all, err := parseLoads(text)
	if err != nil {
		return 0, err
	}
	v := all[slices.Index([]string{"1m", "5m", "15m"}, c.p.over())]
	if !c.p.PerCPU {
		return v, nil
	}
	t, err := c.k.ticks()
	return v / float64(max(t.cpus, 1)), err
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
