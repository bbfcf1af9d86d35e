package evidence

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/segue-run/segue/internal/soak"
)

// A failing case is printed, and not kept.
func init() { _ = flag.Set("rapid.nofailfile", "true") }

var rare = Claim{Below: 0.001, Confidence: 0.95}

func TestLnTails(t *testing.T) {
	for _, c := range []struct{ a, b, x, below float64 }{ // of a Beta in closed form
		{1, 1, 0.3, 0.3},
		{2, 1, 0.3, 0.09},
		{1, 3, 0.2, 1 - 0.512},
		{0.5, 0.5, 0.25, 1.0 / 3},
		{1, 500, 0.001, 1 - math.Pow(0.999, 500)},
		{1, 1e6, 1e-3, 1},
		{3, 2, 0.9, 4*0.9*0.9*0.9 - 3*0.9*0.9*0.9*0.9},
	} {
		below, above := lnTails(c.a, c.b, c.x)
		if math.Abs(math.Exp(below)-c.below) > 1e-12 || math.Abs(math.Exp(above)-(1-c.below)) > 1e-12 {
			t.Errorf("Beta(%g, %g) at %g: %g below and %g above, want %g below", c.a, c.b, c.x, math.Exp(below), math.Exp(above), c.below)
		}
	}
	// A tail so small that 1 less the other would be 0 keeps its digits.
	if _, above := lnTails(1, 1e6, 1e-3); math.Abs(above-1e6*math.Log1p(-1e-3)) > 1e-6 {
		t.Errorf("ln of the far tail is %g", above)
	}
}

// first is after how many samples a stream with every one-in-so-many bad is
// decided, looking every 100, and how.
func first(c Claim, share, most float64) (float64, Verdict) {
	for n := 100.0; n <= most; n += 100 {
		if v := c.Verdict(Counts{Bad: math.Floor(n * share), Total: n}); v != Unknown {
			return n, v
		}
	}
	return most, Unknown
}

// facts.md: what the mixture with Beta(0.5, 500) needed; ours, cut at the
// threshold, never needs more.
func TestAnAnytimeValidOneSidedTestWorksInPractice(t *testing.T) {
	for _, c := range []struct {
		share, within float64
		want          Verdict
	}{
		{0, 4200, Pass},
		{0.0002, 7100, Pass},
		{0.0005, 26_000, Pass},
		{0.002, 10_600, Fail},
		{0.01, 500, Fail},
		{0.05, 100, Fail},
	} {
		if n, v := first(rare, c.share, 50_000); v != c.want || n > c.within {
			t.Errorf("at %s: %s after %g, want %s within %g", Percent(c.share), v, n, c.want, c.within)
		}
	}
}

// facts.md: "error rate < 0.1 %" needs about 3,000 clean requests before it can
// be claimed at 95 % (rule of three); looking all the time costs a little more.
func TestErrorRateBelowATenthOfAPercentNeedsAboutThreeThousandCleanRequests(t *testing.T) {
	if v := rare.Verdict(Counts{Total: 3000}); v != Unknown {
		t.Errorf("3,000 clean requests: %s", v)
	}
	n, v := first(rare, 0, 10_000)
	if v != Pass || n > 4000 {
		t.Errorf("%s after %g", v, n)
	}
	p := rare.Progress(Counts{Total: 1000}, 10*time.Second)
	if p.Needs <= n-100 || p.Needs > n || p.Rate != 100 {
		t.Errorf("told to need %g at %g/s, and it takes up to %g", p.Needs, p.Rate, n)
	}
	if want := time.Duration((p.Needs - 1000) / 100 * float64(time.Second)); p.In != want {
		t.Errorf("told to take %s, want %s", p.In, want)
	}
}

// facts.md: thirty lucky requests.
func TestThirtyLuckyRequestsProveNothing(t *testing.T) {
	if j := rare.Judge(Counts{Total: 30}); j.Verdict != Unknown || j.Upper < 0.05 {
		t.Errorf("%+v", j)
	}
}

// A plain look at "under the threshold now?" has no bound on its false
// promotions, which is the negative control: the same streams, the other rule.
func TestLookingAllTheTimePassesFalselyInFiveOfAHundredAtMost(t *testing.T) {
	trials, most := 200, 20_000
	if soak.On() {
		trials, most = 2000, 200_000
	}
	for _, versus := range []bool{false, true} {
		t.Run(fmt.Sprint("versus ", versus), func(t *testing.T) {
			c := Claim{Below: 0.01, Confidence: 0.95, Versus: versus}
			rnd := rand.New(rand.NewPCG(1, 2))
			wrong, plain := 0, 0
			for range trials {
				var n Counts
				proven, lucky := false, false
				for int(n.Total) < most && !proven {
					for range 100 {
						n.Total++
						if rnd.Float64() < 0.01+0.02*bit(versus) {
							n.Bad++
						}
						if versus {
							n.OldTotal++
							n.OldBad += bit(rnd.Float64() < 0.02)
						}
					}
					proven = c.Verdict(n) == Pass
					old := 0.0
					if versus {
						old = n.OldBad / n.OldTotal
					}
					lucky = lucky || n.Bad/n.Total-old < c.Below
				}
				wrong += int(bit(proven))
				plain += int(bit(lucky))
			}
			if float64(wrong) > 0.05*float64(trials) {
				t.Errorf("%d of %d passed falsely", wrong, trials)
			}
			if float64(plain) < 0.5*float64(trials) {
				t.Errorf("the plain rule passed only %d of %d: the streams are too easy to tell anything", plain, trials)
			}
			t.Logf("false passes: %d of %d; of the plain rule %d", wrong, trials, plain)
		})
	}
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func drawCounts(t *rapid.T) Counts {
	n := Counts{Total: float64(rapid.IntRange(0, 20_000).Draw(t, "total")), OldTotal: float64(rapid.IntRange(0, 20_000).Draw(t, "old total"))}
	// Mostly small shares, where claims are decided.
	n.Bad = math.Floor(n.Total * math.Pow(rapid.Float64Range(0, 1).Draw(t, "share"), 4))
	n.OldBad = math.Floor(n.OldTotal * math.Pow(rapid.Float64Range(0, 1).Draw(t, "old share"), 4))
	return n
}

func drawClaim(t *rapid.T) Claim {
	return Claim{
		Below:      rapid.SampledFrom([]float64{0.0001, 0.001, 0.01, 0.1, 0.5}).Draw(t, "below"),
		Versus:     rapid.Bool().Draw(t, "versus"),
		Confidence: rapid.SampledFrom([]float64{0.5, 0.9, 0.95, 0.999}).Draw(t, "confidence"),
		Min:        int64(rapid.IntRange(0, 2000).Draw(t, "min")),
	}
}

// more is whether a verdict says more in favour of a claim than another.
func worth(v Verdict) int { return map[Verdict]int{Fail: 0, Unknown: 1, Pass: 2}[v] }

func TestAddingFailuresNeverHelps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawClaim(t), drawCounts(t)
		more := n
		// Instead of a success, or on top of all.
		extra := float64(rapid.IntRange(1, 50).Draw(t, "more"))
		more.Bad += extra
		if n.Bad+extra > n.Total || rapid.Bool().Draw(t, "on top") {
			more.Total += extra
		}
		enough := float64(c.least())
		if n.Total >= enough == (more.Total >= enough) && worth(c.Verdict(more)) > worth(c.Verdict(n)) {
			t.Fatalf("%+v: %s with %+v and %s with %+v", c, c.Verdict(n), n, c.Verdict(more), more)
		}
	})
}

func TestAClaimPassesOnlyOnTheEvidenceThatItsTextDemands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawClaim(t), drawCounts(t)
		j := c.Judge(n)
		if v := c.Verdict(n); v != j.Verdict {
			t.Fatalf("%s with bounds and %s without", j.Verdict, v)
		}
		seen := n.Bad / math.Max(n.Total, 1)
		if c.Versus {
			seen -= n.OldBad / math.Max(n.OldTotal, 1)
		}
		const exact = 1e-9
		switch j.Verdict {
		case Pass:
			if n.Total < float64(c.Min) || c.Versus && n.OldTotal < float64(c.Min) {
				t.Fatalf("passed with %+v of %d samples", n, c.Min)
			}
			if j.Upper > c.Below*(1+1e-6)+exact || seen >= c.Below {
				t.Fatalf("passed with up to %g of %g", j.Upper, c.Below)
			}
		case Fail:
			if j.Lower < c.Below*(1-1e-6)-exact || seen <= c.Below {
				t.Fatalf("failed with at least %g of %g", j.Lower, c.Below)
			}
		default:
			if j.Why == "" {
				t.Fatal("unknown, and not why")
			}
		}
		if n.Total > 0 && (!c.Versus || n.OldTotal > 0) && (j.Lower > seen+exact || j.Upper < seen-exact) {
			t.Fatalf("saw %g, which is not between %g and %g", seen, j.Lower, j.Upper)
		}
		// Of no samples nothing is claimed.
		if v := c.Verdict(Counts{}); v != Unknown {
			t.Fatalf("without any samples it is %s", v)
		}
	})
}

func TestWhatIsNotACountIsUnknown(t *testing.T) {
	for name, n := range map[string]Counts{
		"more bad than total":    {Bad: 5, Total: 4},
		"of the old":             {Total: 1e6, OldBad: 2, OldTotal: 1},
		"NaN":                    {Bad: math.NaN(), Total: 1e6},
		"negative":               {Bad: -1, Total: 1e6},
		"an infinity of traffic": {Total: math.Inf(1)},
	} {
		if j := rare.Judge(n); j.Verdict != Unknown || j.Why == "" {
			t.Errorf("%s: %+v", name, j)
		}
	}
}

func TestProgressSaysWhenItCanPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawClaim(t), drawCounts(t)
		p := c.Progress(n, time.Minute)
		if c.Verdict(n) == Fail || p.Needs == 0 {
			return
		}
		if n.Total == 0 || c.Versus && n.OldTotal == 0 {
			return
		}
		if v := c.Verdict(n.times(p.Needs / n.Total)); v != Pass {
			t.Fatalf("%+v with %+v: %g samples are said to do, and make it %s", c, n, p.Needs, v)
		}
		if c.Verdict(n) == Pass && (p.Needs > n.Total || p.In != 0) {
			t.Fatalf("it passes with %g, and is said to need %g", n.Total, p.Needs)
		}
	})
	if p := rare.Progress(Counts{Bad: 10, Total: 100}, time.Minute); p.Needs != 0 || p.In != 0 {
		t.Errorf("what is over the threshold passes after %g in %s", p.Needs, p.In)
	}
}

func TestEqualSharesAreNoWorseThanEachOtherByAMargin(t *testing.T) {
	c := Claim{Below: 0.0001, Versus: true, Confidence: 0.95} // 0.01 points
	p := c.Progress(Counts{1, 1000, 1, 1000}, time.Minute)
	if p.Needs == 0 || p.Needs > 6e6 {
		t.Errorf("of each it takes %g", p.Needs)
	}
	c.Below = 0.01
	for _, k := range []struct {
		n    Counts
		want Verdict
	}{
		{Counts{10, 10_000, 10, 10_000}, Pass},
		{Counts{10, 100, 10, 100}, Unknown},
		{Counts{500, 10_000, 10, 10_000}, Fail},
		{Counts{0, 10_000, 0, 0}, Unknown}, // nothing to compare with
		{Counts{0, 0, 0, 10_000}, Unknown},
		{Counts{2500, 50_000, 2500, 50_000}, Pass}, // both are bad alike
	} {
		if j := c.Judge(k.n); j.Verdict != k.want {
			t.Errorf("%+v: %+v, want %s", k.n, j, k.want)
		}
	}
}
