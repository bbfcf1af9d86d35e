package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// page is a metrics page, scraped without a Prometheus between.
type page struct {
	url     *url.URL
	timeout time.Duration
	client  *http.Client
}

func newPage(raw string, timeout time.Duration) (*page, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the URL of the metrics page cannot be used; expected http://host:port/metrics")
	}
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // a check has no end at which to close them
	return &page{u, timeout, &http.Client{Transport: transport}}, nil
}

// String is the page for people.
func (p *page) String() string { return "metrics page " + p.url.Host + p.url.Path }

// scrape reads every series of the page.
func (p *page) scrape(ctx context.Context) ([]series, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", p, err)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", p, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape %s: HTTP %s", p, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("scrape %s: %w", p, err)
	}
	var out []series
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			out = flatten(out, name, m, now)
		}
	}
	return out, nil
}

// flatten adds a metric's series as Prometheus would store them.
func flatten(out []series, name string, m *dto.Metric, at time.Time) []series {
	if ms := m.GetTimestampMs(); ms != 0 {
		at = time.UnixMilli(ms)
	}
	add := func(suffix string, value float64, extra ...string) {
		labels := map[string]string{"__name__": name + suffix}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if len(extra) == 2 {
			labels[extra[0]] = extra[1]
		}
		out = append(out, series{labels: labels, samples: []sample{{at, value}}})
	}
	switch {
	case m.Counter != nil:
		add("", m.GetCounter().GetValue())
	case m.Gauge != nil:
		add("", m.GetGauge().GetValue())
	case m.Untyped != nil:
		add("", m.GetUntyped().GetValue())
	case m.Summary != nil:
		for _, q := range m.GetSummary().GetQuantile() {
			add("", q.GetValue(), "quantile", edge(q.GetQuantile()))
		}
		add("_sum", m.GetSummary().GetSampleSum())
		add("_count", float64(m.GetSummary().GetSampleCount()))
	case m.Histogram != nil:
		h := m.GetHistogram()
		infinite := false
		for _, b := range h.GetBucket() {
			infinite = infinite || math.IsInf(b.GetUpperBound(), 1)
			add("_bucket", float64(b.GetCumulativeCount()), "le", edge(b.GetUpperBound()))
		}
		if !infinite {
			add("_bucket", float64(h.GetSampleCount()), "le", "+Inf")
		}
		add("_sum", h.GetSampleSum())
		add("_count", float64(h.GetSampleCount()))
	}
	return out
}

func edge(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
