package prometheus

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/runbook"
)

// boundParams say what is asked of numbers.
type boundParams struct {
	Below *float64 `param:"below" doc:"The number must be below this."`
	Above *float64 `param:"above" doc:"The number must be above this."`
	// Hysteresis: what wavers about its bound is one failure, not many.
	ClearsBelow *float64 `param:"clears-below" doc:"Once it has failed, the number must be below this to pass again. By default the same as below."`
	ClearsAbove *float64 `param:"clears-above" doc:"Once it has failed, the number must be above this to pass again. By default the same as above."`
	Expect      string   `param:"expect,expression" vars:"value|values|series" doc:"What must be true: of value, the only series' or the sum; of values; of series, each with labels and value."`
	Series      string   `param:"series" enum:"each|any|sum" doc:"How several series are taken: each must hold, any must hold, or their sum. Without it several series are unknown."`
}

// Validate implements what types cannot say.
func (p boundParams) Validate() error {
	switch {
	case p.Below == nil && p.Above == nil && p.Expect == "":
		return &runbook.FieldError{Field: "below", Problem: "nothing is asked of the number", Remedy: "give below, above or expect"}
	case p.Expect != "" && (p.Below != nil || p.Above != nil):
		return &runbook.FieldError{Field: "expect", Problem: "expect and a bound exclude each other", Remedy: "say it all in expect: value > 1 && value < 5"}
	}
	return p.hysteresis()
}

func (p boundParams) hysteresis() error {
	for _, f := range []struct {
		name, of      string
		clears, bound *float64
		sign          float64
	}{{"clears-below", "below", p.ClearsBelow, p.Below, 1}, {"clears-above", "above", p.ClearsAbove, p.Above, -1}} {
		switch {
		case f.clears == nil:
		case f.bound == nil:
			return &runbook.FieldError{Field: f.name, Problem: "there is no " + f.of + " to clear", Remedy: "give " + f.of + " too"}
		case f.sign*(*f.clears-*f.bound) > 0:
			return &runbook.FieldError{Field: f.name, Problem: fmt.Sprintf("%s is laxer than %s: %s", number(*f.clears), f.of, number(*f.bound)), Remedy: "to clear a failure takes more than not to fail"}
		}
	}
	return nil
}

// bound judges an answer, however it was had.
type bound struct {
	p       boundParams
	expect  *expr.Expr
	failing *atomic.Bool // since it failed, until it passes
}

func newBound(p boundParams) (bound, error) {
	b := bound{p: p, failing: &atomic.Bool{}}
	if err := p.Validate(); err != nil || p.Expect == "" {
		return b, err
	}
	e, err := expr.Compile(p.Expect, []string{"value", "values", "series"})
	b.expect = e
	return b, err
}

func (b bound) String() string {
	if b.expect != nil {
		return b.p.Expect
	}
	var parts []string
	if b.p.Above != nil {
		parts = append(parts, "above "+number(*b.p.Above))
	}
	if b.p.Below != nil {
		parts = append(parts, "below "+number(*b.p.Below))
	}
	text := strings.Join(parts, " and ")
	if b.p.Series != "" {
		text = b.p.Series + " " + text
	}
	return text
}

// judge gives the verdict on what the last samples of all series say. Once it
// has failed, it passes by the bounds that clear a failure.
func (b bound) judge(all []series) evidence.Reading {
	asked := b
	if b.failing.Load() {
		if b.p.ClearsBelow != nil {
			asked.p.Below = b.p.ClearsBelow
		}
		if b.p.ClearsAbove != nil {
			asked.p.Above = b.p.ClearsAbove
		}
	}
	r := asked.verdict(all)
	if r.Verdict != evidence.Unknown {
		b.failing.Store(r.Verdict == evidence.Fail)
	}
	r.Bound, r.Samples = asked.String(), int64(len(all))
	return r
}

func (b bound) verdict(all []series) evidence.Reading {
	if len(all) == 0 {
		return evidence.Unsure("no data: no series answers the query")
	}
	if len(all) > 1 && b.p.Series == "" && b.expect == nil {
		return evidence.Unsure(fmt.Sprintf("%d series answer where one is meant (%s, %s, …): say series: each, any or sum", len(all), name(all[0]), name(all[1])))
	}
	if b.expect != nil {
		return b.evaluate(all)
	}
	if len(all) == 1 || b.p.Series == "sum" {
		total := sum(all)
		return b.one(total, number(total))
	}
	var passed, failed, unsure []string
	for _, s := range all {
		text := name(s) + " " + number(s.last().value)
		switch b.one(s.last().value, "").Verdict {
		case evidence.Pass:
			passed = append(passed, text)
		case evidence.Fail:
			failed = append(failed, text)
		default:
			unsure = append(unsure, text)
		}
	}
	value := fmt.Sprintf("%d of %d series", len(passed), len(all))
	each := b.p.Series == "each"
	switch {
	case each && len(failed) > 0, !each && len(passed) == 0 && len(unsure) == 0:
		return evidence.Failed(value, "", few(failed))
	case each && len(unsure) > 0, !each && len(passed) == 0:
		r := evidence.Unsure(few(unsure))
		r.Value = value
		return r
	}
	return evidence.Passed(value, "")
}

// one judges a single number.
func (b bound) one(v float64, text string) evidence.Reading {
	switch {
	case math.IsNaN(v):
		r := evidence.Unsure("the value is NaN: there was nothing to compute it from")
		r.Value = "NaN"
		return r
	case b.p.Below != nil && v >= *b.p.Below:
		return evidence.Failed(text, "", text+" is not below "+number(*b.p.Below))
	case b.p.Above != nil && v <= *b.p.Above:
		return evidence.Failed(text, "", text+" is not above "+number(*b.p.Above))
	case math.IsInf(v, 0):
		return infinite(text)
	}
	return evidence.Passed(text, "")
}

// infinite is what holds a bound without being a measurement: a share of
// nothing is more than any share.
func infinite(text string) evidence.Reading {
	r := evidence.Unsure("the value is infinite: something was divided by nothing")
	r.Value = text
	return r
}

func (b bound) evaluate(all []series) evidence.Reading {
	values, lines := make([]any, len(all)), make([]any, len(all))
	for i, s := range all {
		v := s.last().value
		if math.IsNaN(v) {
			return b.one(v, "NaN")
		}
		labels := make(map[string]any, len(s.labels))
		for k, l := range s.labels {
			labels[k] = l
		}
		values[i], lines[i] = v, map[string]any{"labels": labels, "value": v}
	}
	vars := map[string]any{"values": values, "series": lines}
	text := fmt.Sprintf("%d series", len(all))
	if len(all) == 1 || b.p.Series == "sum" {
		vars["value"], text = sum(all), number(sum(all))
	}
	verdict, err := b.expect.Eval(vars)
	r := evidence.Reading{Verdict: verdict, Value: text}
	switch {
	case err != nil:
		r.Verdict, r.Detail = evidence.Unknown, err.Error()
	case verdict == evidence.Fail:
		r.Detail = text + " does not meet " + b.p.Expect
	case verdict == evidence.Pass && slices.ContainsFunc(all, func(s series) bool { return math.IsInf(s.last().value, 0) }):
		r = infinite(text)
	}
	return r
}

func sum(all []series) float64 {
	var total float64
	for _, s := range all {
		total += s.last().value
	}
	return total
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// name is a series for people, as Prometheus writes it.
func name(s series) string {
	keys := make([]string, 0, len(s.labels))
	for k := range s.labels {
		if k != "__name__" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for i, k := range keys {
		keys[i] = k + "=" + strconv.Quote(s.labels[k])
	}
	return s.labels["__name__"] + "{" + strings.Join(keys, ",") + "}"
}

func few(texts []string) string {
	const most = 3
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}
