package prometheus

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
)

type nearParams struct {
	File      string           `param:"file,required" doc:"The file that promql.baseline wrote."`
	Name      string           `param:"name,required" doc:"The name of the number in it."`
	Within    *runbook.Percent `param:"within" doc:"How far from the baseline it may be, as a share of it. Of a baseline of 0 every share is 0: nothing but 0 is near it." default:"10%"`
	Direction string           `param:"direction" enum:"both|up|down" doc:"Which way is wrong: both, up (a latency: only more fails), down (a rate: only less fails)." default:"both"`
	Query     string           `param:"query" doc:"What to ask; the baseline's own query otherwise. If the baseline is of another query the answer is unknown."`
}

const defaultNear runbook.Percent = 10

// Validate implements what types cannot say.
func (p nearParams) Validate() error {
	if p.Within != nil && *p.Within < 0 {
		return &runbook.FieldError{Field: "within", Problem: "a distance is not negative", Remedy: "write 10%"}
	}
	return nil
}

// near measures how far a number has gone from its baseline.
type near struct {
	s      *Server
	p      nearParams
	path   string
	within float64 // per cent
}

func nearCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "promql.near", On: kind,
		Doc: "A query gives about the number that promql.baseline took. Unknown without a baseline, without a number, and when the baseline is of another query.",
	}, func(_ context.Context, s *Server, p nearParams) (driver.Check, error) { return newNear(s, p) })
}

func newNear(s *Server, p nearParams) (*near, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	path, err := disk.Real(p.File)
	if err != nil {
		return nil, err
	}
	within := defaultNear
	if p.Within != nil {
		within = *p.Within
	}
	if p.Direction == "" {
		p.Direction = "both"
	}
	return &near{s, p, path, float64(within)}, nil
}

func (c *near) Read(ctx context.Context) evidence.Reading {
	r := c.read(ctx)
	r.Source = c.s.String()
	return r
}

func (c *near) read(ctx context.Context) evidence.Reading {
	b, err := readBook(c.path)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	if b == nil {
		return evidence.Unsure("there is no baseline: " + c.path + " is not there")
	}
	base, ok := b.Baseline[c.p.Name]
	if !ok {
		return evidence.Unsure(fmt.Sprintf("%s has no baseline %s, but %s", c.path, c.p.Name, strings.Join(slices.Sorted(maps.Keys(b.Baseline)), ", ")))
	}
	if c.p.Query != "" && !sameQuery(c.p.Query, base.Query) {
		return evidence.Unsure(fmt.Sprintf("the baseline %s is of another query: %s", c.p.Name, base.Query))
	}
	r := c.compare(ctx, base)
	r.Query, r.Bound = base.Query, c.bound(base)
	return r
}

// sameQuery does not count how a query is broken into lines.
func sameQuery(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

func (c *near) bound(base measured) string {
	sign := map[string]string{"both": "±", "up": "+", "down": "-"}[c.p.Direction]
	return fmt.Sprintf("%s %s%g%%", number(base.Value), sign, c.within)
}

func (c *near) compare(ctx context.Context, base measured) evidence.Reading {
	now, ok, err := c.s.Number(ctx, base.Query)
	switch {
	case err != nil:
		return evidence.Unsure(err.Error())
	case !ok:
		return evidence.Unsure("no data: no series answers the query")
	}
	by := now - base.Value
	// The product of a share is not exact: what is 10 % by hand is near.
	room := math.Abs(base.Value) * c.within / 100 * (1 + 1e-9)
	wrong := by > room && c.p.Direction != "down" || -by > room && c.p.Direction != "up"
	value := number(now)
	if base.Value != 0 {
		value += fmt.Sprintf(" (%+.3g%%)", 100*by/math.Abs(base.Value))
	}
	r := evidence.Passed(value, "")
	if wrong {
		r = evidence.Failed(value, "", fmt.Sprintf("%s, and at the baseline of %s it was %s", number(now), base.Time.Format("2006-01-02 15:04:05 MST"), number(base.Value)))
	}
	r.Samples = 1
	return r
}
