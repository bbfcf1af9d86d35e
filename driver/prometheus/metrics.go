package prometheus

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type metricsParams struct {
	URL    string            `param:"url,required" doc:"The metrics page: http://host:9464/metrics."`
	Metric string            `param:"metric,required" doc:"The name of a metric, or a selector: jobs_total{result=~\"dlq|retry\"}."`
	Labels map[string]string `param:"labels" doc:"Labels that the series must have, with these values."`
	boundParams
	Timeout time.Duration `param:"timeout" doc:"How long the page may take." default:"10s"`
}

// Validate refuses what no page can answer.
func (p metricsParams) Validate() error {
	if _, err := p.selector(); err != nil {
		return &runbook.FieldError{Field: "metric", Problem: err.Error(), Remedy: `write name or name{label="value"}`}
	}
	return p.boundParams.Validate()
}

func (p metricsParams) selector() (selector, error) {
	s, err := parseSelector(p.Metric)
	for label, value := range p.Labels {
		s.matchers = append(s.matchers, matcher{label: label, op: "=", value: value})
	}
	return s, err
}

// metrics measures what a metrics page shows.
type metrics struct {
	page  *page
	sel   selector
	query string
	bound bound
}

func metricsCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "metrics",
		Doc:  "What a metrics page shows is within a bound, without a Prometheus between. Unknown when the page does not answer or lacks the metric.",
	}, func(_ context.Context, _ driver.Conn, p metricsParams) (driver.Check, error) {
		return newMetrics(p)
	})
}

func newMetrics(p metricsParams) (*metrics, error) {
	sel, err := p.selector()
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	b, err := newBound(p.boundParams)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	pg, err := newPage(p.URL, p.Timeout)
	if err != nil {
		return nil, err
	}
	query := p.Metric
	if len(p.Labels) > 0 {
		query += name(series{labels: p.Labels})
	}
	return &metrics{pg, sel, query, b}, nil
}

func (m *metrics) Read(ctx context.Context) evidence.Reading {
	var r evidence.Reading
	if all, err := m.page.scrape(ctx); err != nil {
		r = evidence.Unsure(err.Error())
	} else {
		r = m.read(m.sel.pick(all))
	}
	if r.Bound == "" { // it was not judged
		r.Bound = m.bound.String()
	}
	r.Source, r.Query = m.page.String(), m.query
	return r
}

func (m *metrics) read(all []series) evidence.Reading {
	for _, s := range all { // only pages with timestamps of their own can be old
		if age := time.Since(s.last().at); age > defaultMaxAge {
			return evidence.Unsure(fmt.Sprintf("stale: %s is %s old", name(s), age.Round(time.Second)))
		}
	}
	return m.bound.judge(all)
}
