package prometheus

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type quantileParams struct {
	counterParams
	Histogram string          `param:"histogram,required" doc:"A selector of a histogram in seconds, without _bucket: request_seconds{route=\"/\"}."`
	Quantile  runbook.Percent `param:"quantile,required" doc:"Which quantile: 99% for p99."`
	Below     time.Duration   `param:"below,required" doc:"The bound of the quantile. It must be the edge of a bucket: in between nobody has counted."`
	claimParams
}

// Validate refuses what no histogram can answer.
func (p quantileParams) Validate() error {
	if err := p.counterParams.validate(); err != nil {
		return err
	}
	s, err := parseSelector(p.Histogram)
	if err != nil {
		return &runbook.FieldError{Field: "histogram", Problem: err.Error(), Remedy: `write the histogram, as in request_seconds{route="/"}: Segue takes its buckets itself`}
	}
	if strings.HasSuffix(s.name, "_bucket") {
		return &runbook.FieldError{Field: "histogram", Problem: s.name + " is its buckets", Remedy: "write " + strings.TrimSuffix(s.name, "_bucket")}
	}
	switch {
	case slices.ContainsFunc(s.matchers, func(m matcher) bool { return m.label == "le" }):
		return &runbook.FieldError{Field: "histogram", Problem: "le picks buckets, and Segue does that itself", Remedy: "leave it out"}
	case p.Quantile <= 0 || p.Quantile >= 100:
		return &runbook.FieldError{Field: "quantile", Problem: fmt.Sprintf("%g %% is no quantile", float64(p.Quantile)), Remedy: "write 99% for p99"}
	case p.Below <= 0:
		return &runbook.FieldError{Field: "below", Problem: "nothing takes no time", Remedy: "write 100ms"}
	}
	return p.always().validate()
}

// quantile proves that a quantile is below a bound: that less than the rest of
// all took longer. The buckets count that exactly where one of them ends at the
// bound.
type quantile struct {
	counting
	p          quantileParams
	buckets    selector
	all, quick counts
	fresh      freshness
	proof      *proof
}

func quantileCheck() driver.Part {
	return countingCheck(driver.About{
		Name: "quantile",
		Doc:  "A quantile of a histogram is below a bound, proven by its raw buckets: p99 below 100 ms. Unknown without traffic, and when no bucket ends at the bound.",
	}, newQuantile)
}

func newQuantile(source counters, p quantileParams) (*quantile, error) {
	s, err := parseSelector(p.Histogram)
	if err != nil {
		return nil, fmt.Errorf("quantile: %w", err)
	}
	s.text = s.name + "_bucket" + strings.TrimPrefix(s.text, s.name)
	s.name += "_bucket"
	p.counterParams = p.counterParams.filled()
	claim := evidence.Claim{Below: 1 - float64(p.Quantile)/100}
	return &quantile{counting: newCounting(source, p.counterParams), p: p, buckets: s, proof: newProof(claim, p.claimParams, p.counterParams)}, nil
}

func (q *quantile) Read(ctx context.Context) evidence.Reading {
	out := q.reading(func(s span) string { return q.take(ctx, s) }, q.proof.reading)
	if out.Value != "" {
		out.Value = fmt.Sprintf("over %s: %s", q.p.Below, out.Value)
	}
	out.Bound = fmt.Sprintf("p%g below %s at %s", float64(q.p.Quantile), q.p.Below, evidence.Percent(q.proof.claim.Confidence))
	out.Query = q.buckets.text
	return out
}

func (q *quantile) take(ctx context.Context, s span) string {
	// All buckets in one answer: what is quick and what is all must be of the
	// same moment.
	answer, err := q.source.raw(ctx, s.back, q.buckets)
	if err != nil {
		return err.Error()
	}
	if len(answer[0]) == 0 {
		return "no data: no series is " + q.buckets.text
	}
	if what := q.fresh.lost(ctx, q.source, q.buckets, answer[0], s); what != "" {
		return what
	}
	quick, all, what := q.split(answer[0])
	if what != "" {
		return what
	}
	if s.anew {
		q.all, q.quick = counts{}, counts{}
	}
	more, fast := q.all.add(all), q.quick.add(quick)
	q.proof.add(s.now, evidence.Counts{Bad: more.by - fast.by, Total: more.by}, more.first, more.reset)
	return ""
}

// split gives the buckets that end at the bound, and those that hold all. what
// says why there are none, and which edge there is that promises more.
func (q *quantile) split(buckets []series) (quick, all []series, what string) {
	var edges []float64
	for _, s := range buckets {
		edge, err := strconv.ParseFloat(s.labels["le"], 64)
		switch {
		case err != nil:
			return nil, nil, fmt.Sprintf("%s is no bucket: its le is %q", name(s), s.labels["le"])
		case math.IsInf(edge, 1):
			all = append(all, s)
			continue
		case math.Abs(edge-q.p.Below.Seconds()) <= 1e-9*edge:
			quick = append(quick, s)
		}
		if !slices.Contains(edges, edge) {
			edges = append(edges, edge)
		}
	}
	if len(all) == 0 {
		return nil, nil, "no bucket of " + q.buckets.text + " holds all: le=\"+Inf\" is not there"
	}
	if len(quick) != len(all) {
		return nil, nil, q.noEdge(edges, len(quick), len(all))
	}
	return quick, all, ""
}

func (q *quantile) noEdge(edges []float64, have, want int) string {
	slices.Sort(edges)
	if have > 0 {
		return fmt.Sprintf("only %d of %d histograms have a bucket that ends at %s", have, want, q.p.Below)
	}
	var words []string
	nearest := time.Duration(0)
	for _, e := range edges {
		d := time.Duration(math.Round(e * float64(time.Second)))
		words = append(words, d.String())
		if d < q.p.Below {
			nearest = d
		}
	}
	if len(words) == 0 {
		return "no bucket of " + q.buckets.text + " ends anywhere: there is nothing but le=\"+Inf\""
	}
	text := fmt.Sprintf("no bucket of %s ends at %s, but at %s", q.buckets.text, q.p.Below, strings.Join(words, ", "))
	if nearest > 0 {
		return fmt.Sprintf("%s: write below: %s, the nearest that promises more", text, nearest)
	}
	return text + ": none is below it"
}
