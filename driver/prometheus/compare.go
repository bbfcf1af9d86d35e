package prometheus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

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
	p.Confidence = or(p.Confidence, defaultConfidence)
	return p.claimParams.validate()
}

// or is a percentage that may be left out.
func or(p *runbook.Percent, otherwise runbook.Percent) *runbook.Percent {
	if p == nil {
		return &otherwise
	}
	return p
}

// compare proves that a new thing does no worse than an old one.
type compare struct {
	p      compareParams
	source counters
	now    func() time.Time

	mu       sync.Mutex
	new, old share
	proof    *proof
	lastLook time.Time
}

func compareCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "ratio.compare", On: kind,
		Doc: "The share of what goes wrong at the new is no worse than at the old by a margin, proven by raw counters of both. Unknown without traffic at either.",
	}, func(_ context.Context, s *Server, p compareParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		source, err := p.source(s)
		if err != nil {
			return nil, err
		}
		return newCompare(source, p)
	})
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
	return &compare{p: p, new: fresh, old: old, source: source, now: time.Now, proof: newProof(claim, p.claimParams, p.MinSamples, p.MaxAge)}, nil
}

func (c *compare) Read(ctx context.Context) evidence.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.read(ctx)
	out.Bound, out.Source = c.proof.claim.String(), c.source.String()
	out.Query = strings.Join([]string{c.p.Bad, c.p.Total}, " / ") + " against " + strings.Join([]string{c.p.OldBad, c.p.OldTotal}, " / ")
	return out
}

func (c *compare) read(ctx context.Context) evidence.Reading {
	now := c.now()
	since := c.p.MaxAge
	if !c.lastLook.IsZero() {
		since += now.Sub(c.lastLook)
	}
	fresh, what := c.new.look(ctx, c.source, now, since, c.p.MaxAge)
	old, whatOld := c.old.look(ctx, c.source, now, since, c.p.MaxAge)
	n := evidence.Counts{Bad: fresh.bad, Total: fresh.total, OldBad: old.bad, OldTotal: old.total}
	// What one side told must not be lost when the other does not answer.
	c.proof.add(now, n, fresh.first, fresh.restarted)
	switch {
	case what != "":
		return evidence.Unsure(what)
	case whatOld != "":
		return evidence.Unsure("of the old: " + whatOld)
	}
	c.lastLook = now
	return c.proof.reading(now)
}
