package prometheus

import (
	"context"
	"errors"
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
	if r.Bound == "" { // it was not judged
		r.Bound = p.bound.String()
	}
	r.Source, r.Query = p.server.String(), p.query
	return r
}

func (p *promql) read(ctx context.Context) evidence.Reading {
	all, err := p.server.instant(ctx, p.query, p.maxAge)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	return p.bound.judge(all)
}

// instant asks for one instant and refuses samples that are too old.
func (s *Server) instant(ctx context.Context, query string, maxAge time.Duration) ([]series, error) {
	all, err := s.query(ctx, query)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.isRange {
			return nil, errors.New("the query gives a range of samples: ask for one instant")
		}
	}
	if _, err := parseSelector(query); err == nil && len(all) > 0 {
		old, err := s.stale(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("age of the samples: %w", err)
		}
		if old > maxAge {
			return nil, fmt.Errorf("stale: the newest sample is %s old, and at most %s is taken", old.Round(time.Second), maxAge)
		}
	}
	return all, nil
}

// stale is the age of the oldest series' newest sample: an instant query
// itself takes samples of up to five minutes ago for present ones.
func (s *Server) stale(ctx context.Context, query string) (time.Duration, error) {
	ages, err := s.query(ctx, "time() - timestamp("+query+")")
	if err != nil {
		return 0, err
	}
	var oldest time.Duration
	for _, one := range ages {
		oldest = max(oldest, time.Duration(one.last().value*float64(time.Second)))
	}
	return oldest, nil
}
