package prometheus

import (
	"context"
	"fmt"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type compareParams struct {
	counterParams
	Bad      string          `param:"bad,required" doc:"A selector of raw counters: what went wrong at the new."`
	Total    string          `param:"total,required" doc:"A selector of raw counters: all that happened at the new."`
	OldBad   string          `param:"old-bad,required" doc:"The same of the old: what went wrong."`
	OldTotal string          `param:"old-total,required" doc:"The same of the old: all that happened."`
	By       runbook.Percent `param:"by,required" doc:"By how many points the new may be worse: 0.01% lets 0.11 % stand against 0.10 %."`
	claimParams
}

// Validate refuses what cannot be compared.
func (p compareParams) Validate() error {
	if err := p.counterParams.validate(); err != nil {
		return err
	}
	if err := selectable("bad", p.Bad, "total", p.Total, "old-bad", p.OldBad, "old-total", p.OldTotal); err != nil {
		return err
	}
	if p.By <= 0 || p.By >= 100 {
		return &runbook.FieldError{Field: "by", Problem: fmt.Sprintf("%g points are no margin", float64(p.By)), Remedy: "write more than 0 % and less than 100 %: no number of samples shows that two shares are the same"}
	}
	if p.Total == p.OldTotal {
		return &runbook.FieldError{Field: "old-total", Problem: "the new and the old are counted by the same selector", Remedy: `tell them apart: requests_total{version="old"}`}
	}
	return p.always().validate()
}

// compare proves that a new thing does no worse than an old one.
type compare struct {
	counting
	p        compareParams
	new, old share
	proof    *proof
}

func compareCheck() driver.Part {
	return countingCheck(driver.About{
		Name: "ratio.compare",
		Doc:  "The share of what goes wrong at the new is no worse than at the old by a margin, proven by raw counters of both. Unknown without traffic at either.",
	}, newCompare)
}

func newCompare(source counters, p compareParams) (*compare, error) {
	fresh, err := newShare("ratio.compare", p.Bad, p.Total)
	if err != nil {
		return nil, err
	}
	old, err := newShare("ratio.compare: old", p.OldBad, p.OldTotal)
	if err != nil {
		return nil, err
	}
	p.counterParams = p.counterParams.filled()
	claim := evidence.Claim{Below: float64(p.By) / 100, Versus: true}
	return &compare{newCounting(source, p.counterParams), p, fresh, old, newProof(claim, p.claimParams, p.counterParams)}, nil
}

func (c *compare) Read(ctx context.Context) evidence.Reading {
	out := c.reading(func(s span) string { return c.take(ctx, s) }, c.proof.reading)
	out.Bound = c.proof.claim.String()
	out.Query = strings.Join([]string{c.p.Bad, c.p.Total}, " / ") + " against " + strings.Join([]string{c.p.OldBad, c.p.OldTotal}, " / ")
	return out
}

func (c *compare) take(ctx context.Context, s span) string {
	fresh, what := c.new.look(ctx, c.source, s)
	old, whatOld := c.old.look(ctx, c.source, s)
	n := evidence.Counts{Bad: fresh.bad, Total: fresh.total, OldBad: old.bad, OldTotal: old.total}
	// What one side told must not be lost when the other does not answer.
	c.proof.add(s.now, n, fresh.first, fresh.restarted)
	if what == "" && whatOld != "" {
		return "of the old: " + whatOld
	}
	return what
}
