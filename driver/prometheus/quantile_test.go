package prometheus

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

func p99(t *testing.T, source counters, histogram string, below time.Duration) *quantile {
	t.Helper()
	p := quantileParams{Histogram: histogram, Quantile: 99, Below: below}
	p.On = "prom"
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	q, err := newQuantile(source, p)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// observe adds to the buckets of a histogram.
func (c *clocked) observe(slow, all float64) {
	c.rows[`took_bucket{le="0.05"}`] += all - slow
	c.rows[`took_bucket{le="0.1"}`] += all - slow
	c.rows[`took_bucket{le="0.25"}`] += all
	c.rows[`took_bucket{le="+Inf"}`] += all
}

func TestAQuantileIsTheShareBeyondABucketsEdge(t *testing.T) {
	c := newClocked()
	q := p99(t, c, "took", 100*time.Millisecond)
	q.now = func() time.Time { return c.now }
	c.observe(7, 100)
	wants(t, q.Read(t.Context()), evidence.Unknown, evidence.Unknown, "no traffic")
	look := func(slow, all float64) evidence.Reading {
		c.now = c.now.Add(time.Second)
		c.observe(slow, all)
		return q.Read(t.Context())
	}
	wants(t, look(0, 100), evidence.Unknown, evidence.Pass, "it may still be up to")
	got := look(1, 1900)
	wants(t, got, evidence.Pass, evidence.Pass, "")
	if want := "over 100ms: 0.05 % (1 of 2000)"; !strings.HasPrefix(got.Value, want) || got.Bound != "p99 below 100ms at 95 %" {
		t.Errorf("%s, %s", got.Value, got.Bound)
	}
	wants(t, look(300, 1000), evidence.Fail, evidence.Fail, "")
}

func TestWithoutABucketsEdgeTheNearestThatPromisesMoreIsOffered(t *testing.T) {
	c := newClocked()
	c.observe(0, 100)
	for below, want := range map[time.Duration]string{
		200 * time.Millisecond: "no bucket of took_bucket ends at 200ms, but at 50ms, 100ms, 250ms: write below: 100ms, the nearest that promises more",
		20 * time.Millisecond:  "no bucket of took_bucket ends at 20ms, but at 50ms, 100ms, 250ms: none is below it",
	} {
		q := p99(t, c, "took", below)
		q.now = func() time.Time { return c.now }
		if got := q.Read(t.Context()); got.Verdict != evidence.Unknown || got.Detail != want {
			t.Errorf("%s: %+v, want %q", below, got, want)
		}
	}
	// One of two histograms lacks the edge: the other cannot speak for it.
	c.rows[`took_bucket{le="+Inf",v="2"}`] = 5
	q := p99(t, c, "took", 100*time.Millisecond)
	q.now = func() time.Time { return c.now }
	wants(t, q.Read(t.Context()), evidence.Unknown, evidence.Unknown, "only 1 of 2 histograms have a bucket that ends at 100ms")
}

func TestAHistogramThatIsNoneIsUnknown(t *testing.T) {
	for want, rows := range map[string]map[string]float64{
		`no bucket of took_bucket ends anywhere: there is nothing but le="+Inf"`: {`took_bucket{le="+Inf"}`: 5},
		`no bucket of took_bucket holds all: le="+Inf" is not there`:             {`took_bucket{le="0.1"}`: 5},
		`took_bucket{le="fast"} is no bucket: its le is "fast"`:                  {`took_bucket{le="fast"}`: 5, `took_bucket{le="+Inf"}`: 5},
		"no data: no series is took_bucket":                                      {"took_count": 5},
	} {
		c := newClocked()
		maps.Copy(c.rows, rows)
		q := p99(t, c, "took", 100*time.Millisecond)
		q.now = func() time.Time { return c.now }
		wants(t, q.Read(t.Context()), evidence.Unknown, evidence.Unknown, want)
	}
}

// The real Prometheus writes edges in its own way, and answers by range.
func TestAQuantileOnPrometheusAndOnAPage(t *testing.T) {
	s := server(t)
	pg, err := newPage(prom.exporter.URL+"/metrics", 0)
	if err != nil {
		t.Fatal(err)
	}
	set := func(quick, all int) {
		prom.set(`answer_seconds_bucket{le="0.1"}`, quick)
		prom.set(`answer_seconds_bucket{le="1e+00"}`, all)
		prom.set(`answer_seconds_bucket{le="+Inf"}`, all)
		shows(t, s, `sum(answer_seconds_bucket{le="+Inf"})`, float64(all))
	}
	set(100, 100)
	checks := []*quantile{p99(t, s, "answer_seconds", 100*time.Millisecond), p99(t, pg, "answer_seconds", 100*time.Millisecond)}
	for i, c := range []struct {
		quick, all int
		want       evidence.Verdict
	}{{100, 100, evidence.Unknown}, {2100, 2100, evidence.Pass}, {2200, 3100, evidence.Fail}} {
		set(c.quick, c.all)
		for _, q := range checks {
			if got := q.Read(t.Context()); got.Verdict != c.want {
				t.Errorf("look %d: %s: %+v, want %s", i, q.source, got, c.want)
			}
		}
	}
	for _, q := range checks {
		if got, want := q.proof.tally.Counts, (evidence.Counts{Bad: 900, Total: 3000}); got != want {
			t.Errorf("%s: %+v, want %+v", q.source, got, want)
		}
	}
}

func TestClaimsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		validate func() error
		want     string
	}{
		"half sure of a ratio": {func() error {
			p := ratioParams{Bad: "a", Total: "b", Below: 1}
			p.On, p.Confidence = "p", percent(30)
			return p.Validate()
		}, "confidence: nobody can be sure at 30 %"},
		"all sure": {func() error {
			p := ratioParams{Bad: "a", Total: "b", Below: 1}
			p.On, p.Confidence = "p", percent(100)
			return p.Validate()
		}, "confidence: nobody can be sure at 100 %"},
		"a window": {func() error {
			p := ratioParams{Bad: "a", Total: "b", Below: 1, Window: time.Minute}
			p.On, p.Confidence = "p", percent(95)
			return p.Validate()
		}, "window: a window and a confidence exclude each other"},
		"an alarm without a test": {func() error {
			p := ratioParams{Bad: "a", Total: "b", Below: 1}
			p.On, p.FalseAlarmIn = "p", time.Hour
			return p.Validate()
		}, "false-alarm-in: without a confidence nothing is tested"},
		"no margin": {func() error {
			p := compareParams{Bad: "a", Total: "b", OldBad: "c", OldTotal: "d"}
			p.On = "p"
			return p.Validate()
		}, "by: 0 points are no margin"},
		"compared with itself": {func() error {
			p := compareParams{Bad: "a", Total: "b", OldBad: "c", OldTotal: "b", By: 1}
			p.On = "p"
			return p.Validate()
		}, "old-total: the new and the old are counted by the same selector"},
		"buckets": {func() error {
			p := quantileParams{Histogram: "a_bucket", Quantile: 99, Below: time.Second}
			p.On = "p"
			return p.Validate()
		}, "histogram: a_bucket is its buckets"},
		"one bucket": {func() error {
			p := quantileParams{Histogram: `a{le="1"}`, Quantile: 99, Below: time.Second}
			p.On = "p"
			return p.Validate()
		}, "histogram: le picks buckets, and Segue does that itself"},
		"p100": {func() error {
			p := quantileParams{Histogram: "a", Quantile: 100, Below: time.Second}
			p.On = "p"
			return p.Validate()
		}, "quantile: 100 % is no quantile"},
		"a quantile without a source": {func() error {
			return quantileParams{Histogram: "a", Quantile: 99, Below: time.Second}.Validate()
		}, "on: the counters are either on a prometheus connection or on a metrics page"},
	} {
		if got := fmt.Sprint(c.validate()); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
