package prometheus

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/segue-run/segue/evidence"
)

func TestCountsGrowWithoutOverlap(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	one := func(label string, pairs ...int) series { // second, value, …
		s := series{labels: map[string]string{"__name__": "n", "l": label}}
		for i := 0; i < len(pairs); i += 2 {
			s.samples = append(s.samples, sample{at(pairs[i]), float64(pairs[i+1])})
		}
		return s
	}
	for name, c := range map[string]struct {
		looks [][]series
		want  []float64
	}{
		"the first look only tells where it stands": {[][]series{{one("a", 0, 50, 1, 70)}}, []float64{0}},
		"looks that overlap":                        {[][]series{{one("a", 0, 50)}, {one("a", 0, 50, 1, 60, 2, 65)}, {one("a", 1, 60, 2, 65, 3, 66)}}, []float64{0, 15, 1}},
		"the same look again":                       {[][]series{{one("a", 0, 50)}, {one("a", 1, 60)}, {one("a", 1, 60)}}, []float64{0, 10, 0}},
		"a reset":                                   {[][]series{{one("a", 0, 50)}, {one("a", 1, 60, 2, 3, 3, 5)}}, []float64{0, 15}},
		"a reset between looks":                     {[][]series{{one("a", 0, 50)}, {one("a", 9, 7)}}, []float64{0, 7}},
		"two series, one resets":                    {[][]series{{one("a", 0, 50), one("b", 0, 9)}, {one("a", 1, 51), one("b", 1, 2)}}, []float64{0, 3}},
		"a series that comes with its first error":  {[][]series{{}, {one("a", 1, 2)}, {one("a", 2, 5)}}, []float64{0, 2, 3}},
		"a series that retires":                     {[][]series{{one("a", 0, 50), one("b", 0, 1)}, {one("b", 1, 3)}, {one("b", 2, 4)}}, []float64{0, 2, 1}},
		"a series that is away for a look":          {[][]series{{one("a", 0, 50)}, {}, {one("a", 9, 53)}}, []float64{0, 0, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			var counts counts
			for i, l := range c.looks {
				if got := counts.add(l); got.by != c.want[i] {
					t.Errorf("look %d grew by %g, want %g", i, got.by, c.want[i])
				}
			}
		})
	}
	t.Run("NaN is no count", func(t *testing.T) {
		var counts counts
		counts.add([]series{one("a", 0, 5)})
		s := one("a", 1, 6)
		s.samples = append(s.samples, sample{at(2), math.NaN()}, sample{at(3), 8})
		if got := counts.add([]series{s}); got.by != 3 {
			t.Errorf("grew by %g, want 3", got.by)
		}
	})
	t.Run("what was NaN at the first look did not begin again", func(t *testing.T) {
		var counts counts
		nan := one("a")
		nan.samples = []sample{{at(0), math.NaN()}}
		counts.add([]series{nan})
		if got := counts.add([]series{one("a", 1, 500)}); got.by != 0 || got.reset {
			t.Errorf("%+v, want nothing", got)
		}
		if got := counts.add([]series{one("a", 2, 503)}); got.by != 3 || got.reset {
			t.Errorf("%+v, want 3", got)
		}
	})
	t.Run("a series that begins as NaN counts from zero", func(t *testing.T) {
		var counts counts
		counts.add(nil)
		nan := one("a")
		nan.samples = []sample{{at(1), math.NaN()}}
		counts.add([]series{nan})
		if got := counts.add([]series{one("a", 2, 4)}); got.by != 4 || got.reset {
			t.Errorf("%+v, want 4", got)
		}
	})
	t.Run("infinity is no count", func(t *testing.T) {
		var counts counts
		counts.add([]series{one("a", 0, 5)})
		s := one("a", 1, 6)
		s.samples = append(s.samples, sample{at(2), math.Inf(1)}, sample{at(3), 8})
		if got := counts.add([]series{s}); got.by != 3 || got.reset {
			t.Errorf("%+v, want 3", got)
		}
	})
}

// Whatever the resets and however the looks cut and overlap, what the looks
// see grow is what happened between the first and the last of them.
func TestCountsMissAndDoubleNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var counts counts
		var all []sample
		var value, happened, seen float64
		taken := 0 // samples at the last look
		for second := range rapid.IntRange(1, 60).Draw(t, "seconds") {
			more := float64(rapid.IntRange(1, 9).Draw(t, "more"))
			// A reset shows where the counter falls: not below 9, from where it
			// could have grown so far in a second.
			if value > 9 && rapid.Bool().Draw(t, "reset") {
				value = 0
			}
			value += more
			happened += more
			all = append(all, sample{time.Unix(int64(second), 0), value})
			if !rapid.Bool().Draw(t, "look") {
				continue
			}
			from := max(0, taken-rapid.IntRange(0, 5).Draw(t, "overlap"))
			grown := counts.add([]series{{labels: map[string]string{"__name__": "n"}, samples: all[from:]}})
			if grown.first {
				happened = 0
			}
			seen, taken = seen+grown.by, len(all)
			if seen != happened {
				t.Fatalf("%g happened, %g was seen", happened, seen)
			}
		}
	})
}

// scripted is counters that a test sets.
type scripted struct {
	bad, total []series
	err        error
	called     bool
}

func (s *scripted) String() string { return "scripted" }
func (s *scripted) raw(_ context.Context, _ time.Duration, _ ...selector) ([][]series, error) {
	return [][]series{s.bad, s.total}, s.err
}
func (s *scripted) alive(context.Context, selector) (bool, error) { return true, nil }
func (s *scripted) exists(context.Context, string) (bool, error)  { return s.called, nil }

func TestRatioJudges(t *testing.T) {
	now := time.Unix(10_000, 0)
	at := func(name string, v float64) []series {
		return []series{{labels: map[string]string{"__name__": name}, samples: []sample{{now, v}}}}
	}
	type step struct {
		bad, total float64 // negative: no series
		pass       time.Duration
		err        error
		want       evidence.Verdict
		detail     string
	}
	for name, c := range map[string]struct {
		p      ratioParams
		called bool
		steps  []step
	}{
		"a clean stream": {ratioParams{}, true, []step{
			{bad: 100, total: 1000, want: evidence.Unknown, detail: "no traffic"},
			{bad: 100, total: 1010, pass: time.Second, want: evidence.Unknown, detail: "10 samples of the 20 that are needed"},
			{bad: 101, total: 1100, pass: time.Second, want: evidence.Pass},
			{bad: 111, total: 1110, pass: time.Second, want: evidence.Fail, detail: "11 of 110 went wrong"},
		}},
		"what was wrong before does not count": {ratioParams{}, true, []step{
			{bad: 900, total: 1000, want: evidence.Unknown},
			{bad: 900, total: 1100, pass: time.Second, want: evidence.Pass},
		}},
		"traffic that vanishes is not stable": {ratioParams{}, true, []step{
			{bad: 0, total: 0, want: evidence.Unknown},
			{bad: 0, total: 100, pass: time.Second, want: evidence.Pass},
			{bad: 0, total: 100, pass: time.Minute, want: evidence.Pass},
			{bad: 0, total: 100, pass: 2 * time.Minute, want: evidence.Unknown, detail: "no traffic for 3m0s"},
		}},
		"no error yet, and the metric is there": {ratioParams{}, true, []step{
			{bad: -1, total: 0, want: evidence.Unknown},
			{bad: -1, total: 100, pass: time.Second, want: evidence.Pass},
			{bad: 50, total: 200, pass: time.Second, want: evidence.Fail, detail: "50 of 200 went wrong"},
		}},
		"a misspelt metric is not no errors": {ratioParams{}, false, []step{
			{bad: -1, total: 0, want: evidence.Unknown},
			{bad: -1, total: 100, pass: time.Second, want: evidence.Unknown, detail: "no series is called bad_total"},
		}},
		"no total": {ratioParams{}, true, []step{{bad: 0, total: -1, want: evidence.Unknown, detail: "no data"}}},
		"the source is away and comes back": {ratioParams{}, true, []step{
			{bad: 0, total: 0, want: evidence.Unknown},
			{err: fmt.Errorf("away"), want: evidence.Unknown, detail: "away"},
			{bad: 1, total: 100, pass: time.Second, want: evidence.Pass},
		}},
		"a window forgets": {ratioParams{Window: time.Minute}, true, []step{
			{bad: 0, total: 0, want: evidence.Unknown},
			{bad: 50, total: 100, pass: time.Second, want: evidence.Fail},
			{bad: 50, total: 200, pass: 50 * time.Second, want: evidence.Fail},
			{bad: 50, total: 300, pass: 30 * time.Second, want: evidence.Pass},
		}},
		"bad that is no part of total": {ratioParams{}, true, []step{
			{bad: 0, total: 0, want: evidence.Unknown},
			{bad: 90, total: 30, pass: time.Second, want: evidence.Unknown, detail: "bad is not a part of total"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			now = time.Unix(10_000, 0)
			src := &scripted{called: c.called}
			c.p.Bad, c.p.Total, c.p.Below = "bad_total", "all_total", 10
			r, err := newRatio(src, c.p)
			if err != nil {
				t.Fatal(err)
			}
			r.now = func() time.Time { return now }
			for i, s := range c.steps {
				now = now.Add(s.pass)
				src.err, src.bad, src.total = s.err, nil, nil
				if s.bad >= 0 {
					src.bad = at("bad_total", s.bad)
				}
				if s.total >= 0 {
					src.total = at("all_total", s.total)
				}
				if got := r.Read(t.Context()); got.Verdict != s.want || !strings.Contains(got.Detail, s.detail) {
					t.Errorf("look %d: %+v, want %v because %q", i, got, s.want, s.detail)
				}
			}
		})
	}
	t.Run("old samples", func(t *testing.T) {
		src := &scripted{total: at("all_total", 1), bad: at("bad_total", 1)}
		r, _ := newRatio(src, ratioParams{Bad: "bad_total", Total: "all_total", Below: 10})
		r.now = func() time.Time { return now.Add(5 * time.Minute) }
		if got := r.Read(t.Context()); got.Verdict != evidence.Unknown || !strings.Contains(got.Detail, "stale: the newest sample is 5m0s old") {
			t.Errorf("%+v", got)
		}
	})
}

func TestRatioOnPrometheusAndOnAPage(t *testing.T) {
	s := server(t)
	pg, err := newPage(prom.exporter.URL+"/metrics", 0)
	if err != nil {
		t.Fatal(err)
	}
	p := ratioParams{Bad: `msgs_total{result="dlq"}`, Total: "msgs_total", Below: 10}
	p.OnRestart = "go-on"
	prom.set(`msgs_total{result="success"}`, 1000)
	shows(t, s, "sum(msgs_total)", 1000)
	viaProm, err := newRatio(s, p)
	if err != nil {
		t.Fatal(err)
	}
	viaPage, err := newRatio(pg, p)
	if err != nil {
		t.Fatal(err)
	}
	look := func(want evidence.Verdict, value string) {
		t.Helper()
		for _, r := range []*ratio{viaProm, viaPage} {
			if got := r.Read(t.Context()); got.Verdict != want || got.Value != value && value != "" {
				t.Errorf("%s: %+v, want %v %s", r.source, got, want, value)
			}
		}
	}
	look(evidence.Unknown, "")
	prom.set(`msgs_total{result="success"}`, 1100)
	shows(t, s, "sum(msgs_total)", 1100)
	look(evidence.Pass, "0 % (0 of 100)")
	prom.set(`msgs_total{result="dlq"}`, 50) // the first of its kind, and not counted from its first scrape
	shows(t, s, "sum(msgs_total)", 1150)
	look(evidence.Fail, "33.3 % (50 of 150)")
	prom.set(`msgs_total{result="success"}`, 850) // a restart
	prom.set(`msgs_total{result="dlq"}`, 0)
	shows(t, s, "sum(msgs_total)", 850)
	look(evidence.Pass, "5 % (50 of 1000)")
	prom.freeze(t)
	frozen := *s
	frozen.timeout = 100 * time.Millisecond
	viaProm.source = &frozen
	if got := viaProm.Read(t.Context()); got.Verdict != evidence.Unknown {
		t.Errorf("of a frozen Prometheus: %+v", got)
	}
}

func TestRatioParamsAreRefused(t *testing.T) {
	good := ratioParams{counterParams: counterParams{On: "prom"}, Bad: "a", Total: "b", Below: 1}
	for name, c := range map[string]struct {
		change func(*ratioParams)
		want   string
	}{
		"good":          {func(*ratioParams) {}, ""},
		"no source":     {func(p *ratioParams) { p.On = "" }, "on: the counters are either on a prometheus connection or on a metrics page"},
		"two sources":   {func(p *ratioParams) { p.URL = "http://h" }, "on: the counters are either on a prometheus connection or on a metrics page"},
		"a rate":        {func(p *ratioParams) { p.Bad = "rate(a[5m])" }, `bad: "rate(a[5m])" is not a plain selector: write name{label="value"}, without functions`},
		"no bound":      {func(p *ratioParams) { p.Below = 0 }, "below: 0 % is no share"},
		"more than all": {func(p *ratioParams) { p.Below = 101 }, "below: 101 % is no share"},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			c.change(&p)
			got := ""
			if err := p.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
