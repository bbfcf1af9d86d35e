package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type ratioParams struct {
	counterParams
	Bad    string          `param:"bad,required" doc:"A selector of raw counters: what went wrong."`
	Total  string          `param:"total,required" doc:"A selector of raw counters: all that happened, with what went wrong."`
	Below  runbook.Percent `param:"below,required" doc:"The bound of bad of total."`
	Window time.Duration   `param:"window" doc:"Only what happened this recently counts; otherwise all since the check's first look. Not with a confidence."`
	claimParams
}

// Validate refuses what cannot be counted.
func (p ratioParams) Validate() error {
	if err := p.counterParams.validate(); err != nil {
		return err
	}
	if err := selectable("bad", p.Bad, "total", p.Total); err != nil {
		return err
	}
	switch {
	case p.Below <= 0 || p.Below > 100:
		return &runbook.FieldError{Field: "below", Problem: fmt.Sprintf("%g %% is no share", float64(p.Below)), Remedy: "write more than 0 % and at most 100 %"}
	case p.Confidence != nil && p.Below == 100:
		return &runbook.FieldError{Field: "below", Problem: "every share is below 100 % or 100 %: there is nothing to prove", Remedy: "write less than 100 %"}
	case p.Confidence != nil && p.Window > 0:
		return &runbook.FieldError{Field: "window", Problem: "a window and a confidence exclude each other", Remedy: "leave window out: gates judge over their own time, guards by recent evidence"}
	}
	return p.claimParams.validate()
}

// ratio measures which share of what happened went wrong.
type ratio struct {
	p      ratioParams
	source counters
	now    func() time.Time

	mu        sync.Mutex
	share     share
	looks     looks
	proof     *proof // with a confidence
	firstLook time.Time
	lastLook  time.Time
}

func ratioCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "ratio", On: kind,
		Doc: "The share of what went wrong, from raw counters, is below a bound; with a confidence, it is proven to be. Unknown without traffic.",
	}, func(_ context.Context, s *Server, p ratioParams) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		source, err := p.source(s)
		if err != nil {
			return nil, err
		}
		return newRatio(source, p)
	})
}

func newRatio(source counters, p ratioParams) (*ratio, error) {
	share, err := newShare("ratio", p.Bad, p.Total)
	if err != nil {
		return nil, err
	}
	p.counterParams = p.counterParams.filled()
	r := &ratio{p: p, share: share, source: source, now: time.Now, looks: looks{window: p.Window}}
	if p.Confidence != nil {
		r.proof = newProof(evidence.Claim{Below: float64(p.Below) / 100}, p.claimParams, p.MinSamples, p.MaxAge)
	}
	return r, nil
}

func (r *ratio) Read(ctx context.Context) evidence.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.read(ctx)
	out.Bound = fmt.Sprintf("below %g %%", float64(r.p.Below))
	if r.proof != nil {
		out.Bound = r.proof.claim.String()
	}
	out.Source, out.Query = r.source.String(), strings.Join([]string{r.p.Bad, r.p.Total}, " / ")
	return out
}

func (r *ratio) read(ctx context.Context) evidence.Reading {
	now := r.now()
	since := r.p.MaxAge
	if !r.lastLook.IsZero() {
		since += now.Sub(r.lastLook)
	}
	more, what := r.share.look(ctx, r.source, now, since, r.p.MaxAge)
	if what != "" {
		return evidence.Unsure(what)
	}
	r.lastLook = now
	if more.first {
		r.firstLook = now
	}
	if r.proof != nil {
		r.proof.add(now, evidence.Counts{Bad: more.bad, Total: more.total}, more.first, more.restarted)
		return r.proof.reading(now)
	}
	r.looks.add(look{now, more.bad, more.total})
	return r.judge(now)
}

func (r *ratio) judge(now time.Time) evidence.Reading {
	sum := r.looks.sum
	share := 100 * sum.bad / sum.total
	value := fmt.Sprintf("%.3g %% (%g of %g)", share, sum.bad, sum.total)
	var out evidence.Reading
	switch quiet := now.Sub(sum.at); {
	case sum.total <= 0:
		out = evidence.Unsure("no traffic since " + r.firstLook.Format(time.TimeOnly))
	case quiet > r.p.MaxAge:
		out = evidence.Unsure(fmt.Sprintf("no traffic for %s", quiet.Round(time.Second)))
	case sum.total < float64(r.p.MinSamples):
		out = evidence.Unsure(fmt.Sprintf("%g samples of the %d that are needed", sum.total, r.p.MinSamples))
	case sum.bad > sum.total:
		out = evidence.Unsure(fmt.Sprintf("%g bad of %g in total: bad is not a part of total", sum.bad, sum.total))
	case share >= float64(r.p.Below):
		out = evidence.Failed(value, "", fmt.Sprintf("%g of %g went wrong", sum.bad, sum.total))
	default:
		out = evidence.Passed(value, "")
	}
	out.Samples = int64(sum.total)
	out.Raw, _ = json.Marshal(map[string]float64{"bad": sum.bad, "total": sum.total}) //nolint:errchkjson // finite numbers
	return out
}
