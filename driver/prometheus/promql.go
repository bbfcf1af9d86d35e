package prometheus

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type promqlParams struct {
	Query string `param:"query,required" doc:"What to ask, in PromQL."`
	boundParams
	MaxAge time.Duration `param:"max-age" doc:"When the query is a plain selector: samples older than this are no answer." default:"2m"`
}

// Validate refuses what cannot answer.
func (p promqlParams) Validate() error {
	if p.Query == "" {
		return &runbook.FieldError{Field: "query", Problem: "the query is empty", Remedy: "write PromQL"}
	}
	return p.boundParams.Validate()
}

const defaultMaxAge = 2 * time.Minute

// promql measures what a query of one instant gives.
type promql struct {
	server *Server
	query  string
	maxAge time.Duration
	bound  bound
}

func promqlCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "promql", On: kind,
		Doc: "What a PromQL query gives is within a bound. Unknown without data, with NaN, stale or several series, and without an answer.",
	}, func(_ context.Context, s *Server, p promqlParams) (driver.Check, error) {
		b, err := newBound(p.boundParams)
		if err != nil {
			return nil, fmt.Errorf("promql: %w", err)
		}
		if p.MaxAge <= 0 {
			p.MaxAge = defaultMaxAge
		}
		return &promql{s, p.Query, p.MaxAge, b}, nil
	})
}

func (p *promql) Read(ctx context.Context) evidence.Reading {
	r := p.read(ctx)
	r.Bound, r.Source, r.Query = p.bound.String(), p.server.String(), p.query
	return r
}

func (p *promql) read(ctx context.Context) evidence.Reading {
	all, err := p.server.query(ctx, p.query)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	for _, s := range all {
		if s.isRange {
			return evidence.Unsure("the query gives a range of samples: ask for one instant")
		}
	}
	if _, err := parseSelector(p.query); err == nil && len(all) > 0 {
		old, err := p.stale(ctx)
		if err != nil {
			return evidence.Unsure("age of the samples: " + err.Error())
		}
		if old > p.maxAge {
			return evidence.Unsure(fmt.Sprintf("stale: the newest sample is %s old, and at most %s is taken", old.Round(time.Second), p.maxAge))
		}
	}
	return p.bound.judge(all)
}

// stale is the age of the oldest series' newest sample: an instant query
// itself takes samples of up to five minutes ago for present ones.
func (p *promql) stale(ctx context.Context) (time.Duration, error) {
	ages, err := p.server.query(ctx, "time() - timestamp("+p.query+")")
	if err != nil {
		return 0, err
	}
	var oldest time.Duration
	for _, s := range ages {
		oldest = max(oldest, time.Duration(s.last().value*float64(time.Second)))
	}
	return oldest, nil
}
