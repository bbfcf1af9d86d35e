package integrity

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type countParams struct {
	sides
	By        []string        `param:"by" doc:"Fields that both sides have: records are counted for each combination of their values; all together otherwise."`
	Tolerance int             `param:"tolerance" doc:"By how many a count may differ." default:"0"`
	Share     runbook.Percent `param:"tolerance-share" doc:"By which share of the larger count it may differ, where that is more." default:"0%"`
	Settle    time.Duration   `param:"settle" doc:"Counts that differ are taken again after this long, and fail when they do then too." default:"0s"`
	Timeout   time.Duration   `param:"timeout" doc:"How long counting may take." default:"5m"`
}

// Takes is how long one look may take.
func (p countParams) Takes() time.Duration { return or(p.Timeout, 5*time.Minute) }

// Validate implements what types cannot say.
func (p countParams) Validate() error {
	switch {
	case p.Tolerance < 0:
		return &runbook.FieldError{Field: "tolerance", Problem: "it is negative", Remedy: "write by how many they may differ, as in 5"}
	case p.Share < 0 || p.Share >= 100:
		return &runbook.FieldError{Field: "tolerance-share", Problem: "that is no share that counts may differ by", Remedy: "write 0.1%"}
	case p.Settle < 0 || p.Timeout < 0:
		return &runbook.FieldError{Field: "settle", Problem: "a time is negative", Remedy: "write 2s"}
	}
	_, err := p.mapping()
	return err
}

// count compares how many records there are.
type count struct{ p countParams }

func countCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "data.count",
		Doc:  "Two places hold as many records, in each group, within a tolerance. Unknown when a side does not answer.",
	}, func(_ context.Context, _ driver.Conn, p countParams) (driver.Check, error) { return newCount(p) })
}

func newCount(p countParams) (*count, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("data.count: %w", err)
	}
	return &count{p}, nil
}

// A Count is how many records of a group either side has.
type Count struct {
	By    []*string `json:"by,omitempty"`
	Left  int64     `json:"left"`
	Right int64     `json:"right"`
}

// Read implements driver.Check.
func (c *count) Read(ctx context.Context) evidence.Reading {
	counts, err := c.counts(ctx)
	r := c.judge(counts)
	if err == nil && r.Verdict == evidence.Fail && c.p.Settle > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(c.p.Settle):
			if counts, err = c.counts(ctx); err == nil {
				r = c.judge(counts)
			}
		}
	}
	if err != nil {
		r = evidence.Unsure(err.Error())
	}
	r.Source, r.Query = c.p.sides.String(), "how many records, by "+strings.Join(c.p.By, ", ")
	if len(c.p.By) == 0 {
		r.Query = "how many records"
	}
	return r
}

func (c *count) counts(ctx context.Context) ([]Count, error) {
	of, err := c.p.open(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := both(ctx, of, func(ctx context.Context, p place) ([]driver.Group, error) { return p.groups(ctx, c.p.By) })
	if err != nil {
		return nil, err
	}
	by := map[string]Count{}
	for _, g := range groups.left {
		by[groupID(g.By)] = Count{By: g.By, Left: g.Records}
	}
	for _, g := range groups.right {
		one := by[groupID(g.By)]
		one.By, one.Right = g.By, g.Records
		by[groupID(g.By)] = one
	}
	out := make([]Count, 0, len(by))
	for _, id := range slices.Sorted(maps.Keys(by)) {
		out = append(out, by[id])
	}
	return out, nil
}

func groupID(by []*string) string {
	raw, err := json.Marshal(by)
	if err != nil {
		panic("integrity: texts are not JSON: " + err.Error())
	}
	return string(raw)
}

func (c *count) judge(counts []Count) evidence.Reading {
	bound := "equal"
	if c.p.Tolerance > 0 || c.p.Share > 0 {
		bound = fmt.Sprintf("within %d, or %g %%", c.p.Tolerance, float64(c.p.Share))
	}
	var left, right int64
	var wrong []string
	for _, one := range counts {
		left, right = left+one.Left, right+one.Right
		if apart := one.Left - one.Right; !c.allowed(max(apart, -apart), max(one.Left, one.Right)) {
			wrong = append(wrong, fmt.Sprintf("%s%d and %d", c.group(one), one.Left, one.Right))
		}
	}
	value := fmt.Sprintf("%d and %d records", left, right)
	r := evidence.Passed(value, bound)
	if len(wrong) > 0 {
		more := ""
		if n := len(wrong) - 10; n > 0 {
			wrong, more = wrong[:10], fmt.Sprintf(", and %d more groups", n)
		}
		r = evidence.Failed(value, bound, strings.Join(wrong, ", ")+more)
	}
	r.Samples = max(left, right)
	if raw, err := json.Marshal(counts); err == nil && len(counts) <= 1000 {
		r.Raw = raw
	}
	return r
}

func (c *count) allowed(apart, of int64) bool {
	return apart <= int64(c.p.Tolerance) || float64(apart) <= float64(of)*float64(c.p.Share)/100
}

// group is the group's name, for people.
func (c *count) group(one Count) string {
	if len(one.By) == 0 {
		return ""
	}
	var parts []string
	for i, value := range one.By {
		text := "nothing"
		if value != nil {
			text = *value
		}
		parts = append(parts, c.p.By[i]+" "+text)
	}
	return strings.Join(parts, ", ") + ": "
}

// groups counts the records of a place, where they are if its system can.
func (p place) groups(ctx context.Context, by []string) ([]driver.Group, error) {
	viewer, ok := p.conn.(driver.Viewer)
	if !ok || p.made != nil {
		return p.tally(ctx, by)
	}
	v, err := viewer.View(ctx, p.at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	for _, name := range by {
		if find(v.Fields(), name) == nil {
			return nil, refuse("there is no field "+name, "take one of "+strings.Join(names(v.Fields()), ", "))
		}
	}
	return v.Groups(ctx, by)
}
