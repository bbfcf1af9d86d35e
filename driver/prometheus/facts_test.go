package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// clocked is counters that a test sets, and their time.
type clocked struct {
	now  time.Time
	rows map[string]float64 // by the text of a series
	back time.Duration      // how far the last look went
	err  error
}

func newClocked() *clocked {
	return &clocked{now: time.Unix(10_000, 0), rows: map[string]float64{}}
}

func (c *clocked) String() string { return "a test" }

func (c *clocked) all() []series {
	var out []series
	for text, v := range c.rows {
		s, err := parseSelector(text)
		if err != nil {
			panic(err)
		}
		labels := map[string]string{"__name__": s.name}
		for _, m := range s.matchers {
			labels[m.label] = m.value
		}
		out = append(out, series{labels: labels, samples: []sample{{c.now, v}}})
	}
	return out
}

func (c *clocked) raw(_ context.Context, back time.Duration, selectors ...selector) ([][]series, error) {
	c.back = back
	out := make([][]series, len(selectors))
	for i, s := range selectors {
		out[i] = s.pick(c.all())
	}
	return out, c.err
}

func (c *clocked) alive(context.Context, selector) (bool, error) { return true, c.err }

func (c *clocked) exists(context.Context, string) (bool, error) { return true, c.err }

// pass lets time go by, in which so many came, so many of them bad.
func (c *clocked) pass(d time.Duration, bad, total float64) {
	c.now = c.now.Add(d)
	c.rows["bad_total"] += bad
	c.rows["all_total"] += total
}

func sure(t *testing.T, c *clocked, below, confidence runbook.Percent) *ratio {
	t.Helper()
	return shareOf(t, c, below, claimParams{Confidence: &confidence})
}

func shareOf(t *testing.T, c *clocked, below runbook.Percent, how claimParams) *ratio {
	t.Helper()
	p := ratioParams{Bad: "bad_total", Total: "all_total", Below: below, claimParams: how}
	p.On = "prom"
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := newRatio(c, p)
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Time { return c.now }
	return r
}

func wants(t *testing.T, r evidence.Reading, verdict, recent evidence.Verdict, detail string) {
	t.Helper()
	if r.Verdict != verdict || r.Recently() != recent || !strings.Contains(r.Detail, detail) {
		t.Errorf("%+v (recently %s), want %s (recently %s) because %q", r, r.Recently(), verdict, recent, detail)
	}
}

// What follows are the bugs that other tools shipped, by facts.md "Evidence in
// practice".

func TestAnEmptyOrNaNQueryResultIsNotSuccess(t *testing.T) {
	for name, answer := range map[string]string{
		"empty": `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		"NaN":   `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}`,
	} {
		b, err := newBound(boundParams{Below: ptr(1)})
		if err != nil {
			t.Fatal(err)
		}
		r := (&promql{fake(t, http.StatusOK, answer), "a / b", defaultMaxAge, b}).Read(t.Context())
		if r.Verdict != evidence.Unknown || r.Detail == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	c := newClocked()
	r := sure(t, c, 1, 95)
	wants(t, r.Read(t.Context()), evidence.Unknown, evidence.Unknown, "no data")
}

func TestTheLastOfSeveralSeriesIsNotTaken(t *testing.T) {
	b, err := newBound(boundParams{Below: ptr(1)})
	if err != nil {
		t.Fatal(err)
	}
	r := b.judge([]series{{samples: []sample{{value: 7}}}, {samples: []sample{{value: 0}}}})
	if r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "say series: each, any or sum") {
		t.Errorf("%+v", r)
	}
}

func TestErrorsTalkingToTheSourceAreNotSuccess(t *testing.T) {
	c := newClocked()
	r := sure(t, c, 1, 95)
	c.pass(0, 0, 0)
	r.Read(t.Context())
	c.pass(time.Minute, 0, 10_000)
	wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
	c.err = errors.New("connection refused")
	wants(t, r.Read(t.Context()), evidence.Unknown, evidence.Unknown, "connection refused")
	c.err = nil
	c.pass(time.Minute, 5000, 10_000) // what came meanwhile is not lost
	wants(t, r.Read(t.Context()), evidence.Fail, evidence.Fail, "")
}

func TestTrafficThatVanishedInMidSoakIsNotStable(t *testing.T) {
	c := newClocked()
	r := sure(t, c, 1, 95)
	c.pass(0, 0, 0)
	r.Read(t.Context())
	c.pass(time.Minute, 0, 10_000)
	wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
	c.pass(3*time.Minute, 0, 0)
	wants(t, r.Read(t.Context()), evidence.Unknown, evidence.Unknown, "no traffic for 3m0s")
}

// The target of a Prometheus goes down: its last samples are still young.
func TestATargetThatIsDownIsUnknownAtOnce(t *testing.T) {
	e := newExporter()
	t.Cleanup(e.Close)
	e.set("all_total", 100)
	e.set("bad_total", 0)
	s := light(t, e.URL+"/metrics")
	r, err := newRatio(s, ratioParams{Bad: "bad_total", Total: "all_total", Below: 1})
	if err != nil {
		t.Fatal(err)
	}
	r.Read(t.Context())
	e.set("all_total", 200)
	eventually(t, "the requests are counted", func() bool { return r.Read(t.Context()).Verdict == evidence.Pass })
	e.Close()
	eventually(t, "what is down is unknown", func() bool {
		got := r.Read(t.Context())
		return got.Verdict == evidence.Unknown && strings.Contains(got.Detail, "its target is down, or it has retired")
	})
}

func TestTooFewSamplesDoNotPass(t *testing.T) {
	c := newClocked()
	r := sure(t, c, 50, 95) // so lax that five samples would prove it
	r.proof.claim.Min = 100
	c.pass(0, 0, 0)
	r.Read(t.Context())
	c.pass(time.Second, 0, 30)
	wants(t, r.Read(t.Context()), evidence.Unknown, evidence.Pass, "30 samples of the 100 that are needed")
	c.pass(time.Second, 0, 70)
	wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
}

func TestLegacyScaledDownIsNothingToCompareWith(t *testing.T) {
	c := newClocked()
	p := compareParams{Bad: `bad_total{v="2"}`, Total: `all_total{v="2"}`, OldBad: `bad_total{v="1"}`, OldTotal: `all_total{v="1"}`, By: 1}
	p.On = "prom"
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := newCompare(c, p)
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Time { return c.now }
	pass := func(d time.Duration, bad, total, oldBad, oldTotal float64) evidence.Reading {
		c.now = c.now.Add(d)
		c.rows[`bad_total{v="2"}`] += bad
		c.rows[`all_total{v="2"}`] += total
		c.rows[`bad_total{v="1"}`] += oldBad
		c.rows[`all_total{v="1"}`] += oldTotal
		return r.Read(t.Context())
	}
	wants(t, pass(0, 0, 0, 0, 0), evidence.Unknown, evidence.Unknown, "no traffic")
	wants(t, pass(time.Minute, 10, 10_000, 10, 10_000), evidence.Pass, evidence.Pass, "")
	wants(t, pass(time.Minute, 0, 100, 0, 0), evidence.Pass, evidence.Pass, "")
	wants(t, pass(2*time.Minute, 0, 100, 0, 0), evidence.Unknown, evidence.Unknown, "no traffic of the old for 3m0s")
	// What the old one does badly too is no alarm; what only the new does, is.
	wants(t, pass(time.Second, 500, 1000, 500, 1000), evidence.Unknown, evidence.Pass, "")
	wants(t, pass(time.Second, 500, 1000, 0, 1000), evidence.Fail, evidence.Fail, "risen")
}

// A gate looks at every tick; a scrape that is missed, read twice or cut
// otherwise changes nothing of the final statistic.
func TestMissedAndRepeatedScrapesChangeNothing(t *testing.T) {
	final := func(every int) string {
		c := newClocked()
		r := sure(t, c, 1, 95)
		c.pass(0, 3, 500)
		r.Read(t.Context())
		for i := 1; i <= 120; i++ {
			c.pass(time.Second, float64(i%60/59), 37)
			if i%every == 0 {
				for range i % 3 {
					r.Read(t.Context())
				}
			}
		}
		got := r.Read(t.Context())
		return fmt.Sprint(got.Verdict, got.Value, got.Tally.Counts)
	}
	for _, every := range []int{2, 7, 60, 1000} {
		if got, want := final(every), final(1); got != want {
			t.Errorf("looking every %d s: %s, and every second: %s", every, got, want)
		}
	}
}

// Flagger needs minutes from breach to rollback: it looks every 60 s and wants
// several failures. A guard that looks every second knows in seconds.
func TestFromBreachToVerdictInSeconds(t *testing.T) {
	c := newClocked()
	r := sure(t, c, 1, 95)
	c.pass(0, 0, 0)
	r.Read(t.Context())
	for range 14 {
		c.pass(24*time.Hour, 0, 24*3600*100)
		wants(t, r.Read(t.Context()), evidence.Pass, evidence.Pass, "")
	}
	for s := 1; s <= 10; s++ {
		c.pass(time.Second, 5, 100)
		if got := r.Read(t.Context()); got.Recently() == evidence.Fail {
			t.Logf("5 %% errors at 100/s after 14 clean days: found after %d s", s)
			return
		}
	}
	t.Error("5 % errors at 100/s after 14 clean days were not found within 10 s")
}
