package edge

import (
	"math"
	"testing"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func TestAShareHasTwoDecimals(t *testing.T) {
	for p, want := range map[runbook.Percent]string{0: "0%", 100: "100%", 12.5: "12.5%", 0.01: "0.01%", 33.33: "33.33%", 0.29: "0.29%"} {
		s, err := ShareOf("new", p)
		if err != nil || s.String() != want {
			t.Errorf("%g: %s, %v", float64(p), s, err)
		}
		if back, err := ParseShare(want); err != nil || back != s {
			t.Errorf("%s comes back as %s, %v", want, back, err)
		}
	}
	for _, p := range []runbook.Percent{-1, 100.01, 0.001, runbook.Percent(math.NaN()), 33.333} {
		if s, err := ShareOf("new", p); err == nil {
			t.Errorf("%g is taken as %s", float64(p), s)
		}
	}
}

func TestAShareIsJudgedByWhatWasCounted(t *testing.T) {
	point := runbook.Percent(1)
	for name, c := range map[string]struct {
		new    runbook.Percent
		within *runbook.Percent
		k, n   float64
		want   evidence.Verdict
	}{
		"nothing":                    {10, nil, 0, 0, evidence.Unknown},
		"too few":                    {10, nil, 5, 50, evidence.Unknown},
		"enough":                     {10, nil, 100, 1000, evidence.Pass},
		"off":                        {10, nil, 250, 1000, evidence.Fail},
		"off the other way":          {50, nil, 300, 1000, evidence.Fail},
		"one of too many":            {0, nil, 1, 1e6, evidence.Fail},
		"none":                       {0, nil, 0, 100, evidence.Pass},
		"none of few":                {0, nil, 0, 99, evidence.Unknown},
		"all":                        {100, nil, 100, 100, evidence.Pass},
		"all but one":                {100, nil, 1e6 - 1, 1e6, evidence.Fail},
		"a point takes more":         {10, &point, 100, 1000, evidence.Unknown},
		"a point":                    {10, &point, 2000, 20000, evidence.Pass},
		"off by more than a point":   {10, &point, 2500, 20000, evidence.Fail},
		"half a point, many samples": {10, &point, 105000, 1e6, evidence.Pass},
	} {
		s, err := newServed(shareParams{New: c.new, Within: c.within})
		if err != nil {
			t.Fatal(err)
		}
		r := s.judge(c.k, c.n)
		if r.Verdict != c.want || r.Verdict != evidence.Pass && r.Detail == "" || r.Bound == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	bad := runbook.Percent(0)
	for field, p := range map[string]shareParams{
		"new": {New: 200}, "within": {Within: &bad}, "confidence": {Confidence: &bad}, "over": {Over: -1}, "look": {Look: -1}, "min-samples": {MinSamples: -1}, "new-side": {NewSide: "a", OldSide: "a"},
	} {
		if wrong, ok := p.Validate().(*runbook.FieldError); !ok || wrong.Field != field || wrong.Remedy == "" { //nolint:errorlint // it is made there
			t.Errorf("%s: %+v", field, wrong)
		}
	}
}
