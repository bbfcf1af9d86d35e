package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
	counting
	p         ratioParams
	share     share
	looks     looks
	proof     *proof // with a confidence
	firstLook time.Time
	restarted time.Time // when the counters were last seen to begin again
}

func ratioCheck() driver.Part {
	return countingCheck(driver.About{
		Name: "ratio",
		Doc:  "The share of what went wrong, from raw counters, is below a bound; with a confidence, it is proven to be. Unknown without traffic.",
	}, newRatio)
}

func newRatio(source counters, p ratioParams) (*ratio, error) {
	share, err := newShare("ratio", p.Bad, p.Total)
	if err != nil {
		return nil, err
	}
	p.counterParams = p.counterParams.filled()
	r := &ratio{counting: newCounting(source, p.counterParams), p: p, share: share, looks: looks{window: p.Window}}
	if p.Confidence != nil {
		r.proof = newProof(evidence.Claim{Below: float64(p.Below) / 100}, p.claimParams, p.counterParams)
	}
	return r, nil
}

func (r *ratio) Read(ctx context.Context) evidence.Reading {
	out := r.reading(func(s span) string { return r.take(ctx, s) }, r.judge)
	out.Bound = fmt.Sprintf("below %g %%", float64(r.p.Below))
	if r.proof != nil {
		out.Bound = r.proof.claim.String()
	}
	out.Query = strings.Join([]string{r.p.Bad, r.p.Total}, " / ")
	return out
}

func (r *ratio) take(ctx context.Context, s span) string {
	more, what := r.share.look(ctx, r.source, s)
	if what != "" {
		return what
	}
	if more.first {
		r.firstLook, r.looks = s.now, looks{window: r.p.Window}
	}
	if more.restarted && r.proof == nil && !r.p.goesOn() {
		r.restarted, r.firstLook, r.looks = s.now, s.now, looks{window: r.p.Window}
	}
	if r.proof != nil {
		r.proof.add(s.now, evidence.Counts{Bad: more.bad, Total: more.total}, more.first, more.restarted)
	} else {
		r.looks.add(look{s.now, more.bad, more.total})
	}
	return ""
}

func (r *ratio) judge(now time.Time) evidence.Reading {
	if r.proof != nil {
		return r.proof.reading(now)
	}
	sum := r.looks.sum
	share := 100 * sum.bad / sum.total
	value := fmt.Sprintf("%.3g %% (%g of %g)", share, sum.bad, sum.total)
	var out evidence.Reading
	switch quiet := now.Sub(sum.at); {
	case sum.total <= 0:
		out = evidence.Unsure("no traffic since " + r.firstLook.UTC().Format(time.TimeOnly))
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
	if !r.restarted.IsZero() {
		out.Instance = "since " + r.restarted.UTC().Format(time.RFC3339Nano)
	}
	out.Samples = int64(sum.total)
	out.Raw, _ = json.Marshal(map[string]float64{"bad": sum.bad, "total": sum.total}) //nolint:errchkjson // finite numbers
	return out
}
