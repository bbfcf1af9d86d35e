package prometheus

import (
	"fmt"
	"math"
	"testing"

	"github.com/segue-run/segue/evidence"
)

func TestWhatWaversAboutItsBoundIsOneFailure(t *testing.T) {
	b, err := newBound(boundParams{Below: ptr(100), ClearsBelow: ptr(80)})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		value float64
		want  evidence.Verdict
		bound string
	}{
		{90, evidence.Pass, "below 100"},
		{100, evidence.Fail, "below 100"},
		{99, evidence.Fail, "below 80"},
		{101, evidence.Fail, "below 80"},
		{80, evidence.Fail, "below 80"},
		{79, evidence.Pass, "below 80"},
		{99, evidence.Pass, "below 100"},
	} {
		got := b.judge([]series{{samples: []sample{{value: c.value}}}})
		if got.Verdict != c.want || got.Bound != c.bound {
			t.Errorf("look %d at %g: %s by %s, want %s by %s", i, c.value, got.Verdict, got.Bound, c.want, c.bound)
		}
	}
	// An answer that is none neither fails nor clears.
	b.judge([]series{{samples: []sample{{value: 200}}}})
	if got := b.judge(nil); got.Verdict != evidence.Unknown {
		t.Errorf("%+v", got)
	}
	if got := b.judge([]series{{samples: []sample{{value: 90}}}}); got.Verdict != evidence.Fail {
		t.Errorf("after silence: %+v", got)
	}
}

// 1 / 0 is above any bound, and says nothing. What is too slow for the last
// bucket of a histogram is infinite too, and that is too slow.
func TestAnInfiniteValueNeverPasses(t *testing.T) {
	for name, c := range map[string]struct {
		p    boundParams
		v    float64
		want evidence.Verdict
	}{
		"a share of nothing is above": {boundParams{Above: ptr(0.9)}, math.Inf(1), evidence.Unknown},
		"…and meets what is expected": {boundParams{Expect: "value > 0.9"}, math.Inf(1), evidence.Unknown},
		"less than nothing is below":  {boundParams{Below: ptr(5)}, math.Inf(-1), evidence.Unknown},
		"an infinite time":            {boundParams{Below: ptr(5)}, math.Inf(1), evidence.Fail},
		"…is not what is expected":    {boundParams{Expect: "value < 5.0"}, math.Inf(1), evidence.Fail},
		"infinitely little":           {boundParams{Above: ptr(5)}, math.Inf(-1), evidence.Fail},
	} {
		b, err := newBound(c.p)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.judge([]series{{samples: []sample{{value: c.v}}}}); got.Verdict != c.want || got.Detail == "" {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

func TestHysteresisIsRefused(t *testing.T) {
	for want, p := range map[string]boundParams{
		"<nil>": {Above: ptr(1), ClearsAbove: ptr(2)},
		"clears-below: there is no below to clear":      {Above: ptr(1), ClearsBelow: ptr(1)},
		"clears-below: 120 is laxer than below: 100":    {Below: ptr(100), ClearsBelow: ptr(120)},
		"clears-above: 0.5 is laxer than above: 1":      {Above: ptr(1), ClearsAbove: ptr(0.5)},
		"expect: expect and a bound exclude each other": {Expect: "value > 1", Below: ptr(1)},
	} {
		if got := fmt.Sprint(p.Validate()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
