package prometheus

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/runbook"
)

// counterParams say where raw counters are read, and when they are no answer.
type counterParams struct {
	On         string        `param:"on,connection" doc:"The Prometheus that has the counters."`
	URL        string        `param:"url" doc:"The metrics page that has the counters, where no Prometheus is asked."`
	MinSamples int64         `param:"min-samples" doc:"With fewer than this in total it does not pass." default:"20"`
	MaxAge     time.Duration `param:"max-age" doc:"Samples, or traffic, older than this are no answer." default:"2m"`
	Timeout    time.Duration `param:"timeout" doc:"How long the metrics page may take." default:"10s"`
}

func (p counterParams) validate() error {
	if (p.On == "") == (p.URL == "") {
		return &runbook.FieldError{Field: "on", Problem: "the counters are either on a prometheus connection or on a metrics page", Remedy: "give one of on and url"}
	}
	return nil
}

// filled has the defaults in the place of what was not given.
func (p counterParams) filled() counterParams {
	if p.MinSamples <= 0 {
		p.MinSamples = 20
	}
	if p.MaxAge <= 0 {
		p.MaxAge = defaultMaxAge
	}
	return p
}

// source is where the counters are.
func (p counterParams) source(s *Server) (counters, error) {
	if p.URL == "" {
		return s, nil
	}
	return newPage(p.URL, p.Timeout)
}

// selectable refuses what is no plain selector; fields are names and texts.
func selectable(fields ...string) error {
	for i := 0; i+1 < len(fields); i += 2 {
		if _, err := parseSelector(fields[i+1]); err != nil {
			return &runbook.FieldError{Field: fields[i], Problem: err.Error(), Remedy: `write the raw counter, as in requests_total{status=~"5.."}: Segue takes its increments itself`}
		}
	}
	return nil
}

// counters is where raw counters are read. since is when they were read last.
type counters interface {
	String() string
	raw(ctx context.Context, since time.Duration, selectors ...selector) ([][]series, error)
	// exists reports whether any series has the metric's name: only then does
	// no series that matches mean that nothing happened.
	exists(ctx context.Context, metric string) (bool, error)
	// alive reports whether any series that s picks has a value now: one whose
	// target is down, or that is no longer shown, has none.
	alive(ctx context.Context, s selector) (bool, error)
}

// raw reads the samples themselves, never a rate over a sliding window.
func (s *Server) raw(ctx context.Context, since time.Duration, selectors ...selector) ([][]series, error) {
	out := make([][]series, len(selectors))
	for i, sel := range selectors {
		all, err := s.query(ctx, fmt.Sprintf("%s[%ds]", sel.text, int(since.Seconds())+1))
		if err != nil {
			return nil, err
		}
		out[i] = all
	}
	return out, nil
}

func (s *Server) exists(ctx context.Context, metric string) (bool, error) {
	all, err := s.query(ctx, "count("+metric+")")
	return len(all) > 0, err
}

func (s *Server) alive(ctx context.Context, sel selector) (bool, error) {
	all, err := s.query(ctx, "count("+sel.text+")")
	return len(all) > 0, err
}

func (p *page) raw(ctx context.Context, _ time.Duration, selectors ...selector) ([][]series, error) {
	all, err := p.scrape(ctx)
	if err != nil {
		return nil, err
	}
	out := make([][]series, len(selectors))
	for i, sel := range selectors {
		out[i] = sel.pick(all)
	}
	return out, nil
}

func (p *page) exists(ctx context.Context, metric string) (bool, error) {
	all, err := p.scrape(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if s.labels["__name__"] == metric {
			return true, nil
		}
	}
	return false, nil
}

// alive: what was read from a page a moment ago is.
func (p *page) alive(context.Context, selector) (bool, error) { return true, nil }
