package prometheus

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// canary is a simulated service in virtual time: a known share of its requests
// goes wrong, and its counters are scraped as they are in life.
type canary struct {
	rnd    *rand.Rand
	share  float64 // of requests that go wrong
	perMin float64 // requests, on average over the day
	rough  bool    // bursts, the day's rhythm, scrapes that are dropped, restarts
	now    time.Time
	begun  time.Time

	bad, total float64 // counters, as they stand
	scraped    sample2
	burst      time.Time // until when it lasts
}

// sample2 is the scrape of both counters.
type sample2 struct {
	at         time.Time
	bad, total float64
}

func newCanary(seed uint64, share, perMin float64, rough bool) *canary {
	begun := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	c := &canary{rnd: rand.New(rand.NewPCG(seed, 1)), share: share, perMin: perMin, rough: rough, now: begun, begun: begun}
	c.scraped = sample2{at: begun}
	return c
}

// step lets time go by, and ends in a scrape.
func (c *canary) step(d time.Duration) {
	c.now = c.now.Add(d)
	rate := c.perMin * d.Minutes()
	if c.rough {
		day := c.now.Sub(c.begun).Hours() / 24
		rate *= 1 + 0.7*math.Sin(2*math.Pi*day)
		if c.rnd.Float64() < d.Hours() { // about once an hour
			c.burst = c.now.Add(time.Minute)
		}
		if c.now.Before(c.burst) {
			rate *= 5
		}
		if c.rnd.Float64() < d.Hours()/12 { // a restart: the counters begin again
			c.bad, c.total = 0, 0
		}
	}
	n := poisson(c.rnd, rate)
	c.total += n
	c.bad += binomial(c.rnd, n, c.share)
	if !c.rough || c.rnd.Float64() > 0.05 { // else the scrape is dropped
		c.scraped = sample2{c.now, c.bad, c.total}
	}
}

func poisson(rnd *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*rnd.NormFloat64()))
	}
	n := 0.0
	for left := math.Exp(-mean); ; n++ {
		if left >= 1 {
			return n
		}
		u := rnd.Float64()
		if u < left {
			return n
		}
		left /= u
	}
}

// binomial goes from one that goes wrong to the next.
func binomial(rnd *rand.Rand, n, share float64) float64 {
	if share <= 0 {
		return 0
	}
	if n*share > 500 {
		return math.Min(n, math.Max(0, math.Round(n*share+math.Sqrt(n*share*(1-share))*rnd.NormFloat64())))
	}
	bad, skip := 0.0, math.Log1p(-share)
	for at := 0.0; ; bad++ {
		at += 1 + math.Floor(math.Log(1-rnd.Float64())/skip)
		if at > n {
			return bad
		}
	}
}

// canary is a source of raw counters: an answer is the last scrape. What is bad
// is shown as errors, and as what is slower than 100 ms.

func (c *canary) String() string { return "a canary" }

func (c *canary) alive(context.Context, selector) (bool, error) { return true, nil }

func (c *canary) exists(context.Context, string) (bool, error) { return true, nil }

func (c *canary) raw(_ context.Context, _ time.Duration, selectors ...selector) ([][]series, error) {
	s := c.scraped
	out := make([][]series, len(selectors))
	for i, sel := range selectors {
		one := func(value float64, label ...string) {
			labels := map[string]string{"__name__": sel.name}
			if len(label) == 2 {
				labels[label[0]] = label[1]
			}
			out[i] = append(out[i], series{labels: labels, samples: []sample{{s.at, value}}})
		}
		switch sel.name {
		case "bad_total":
			one(s.bad)
		case "all_total":
			one(s.total)
		case "took_bucket":
			one(s.total-s.bad, "le", "0.1")
			one(s.total, "le", "+Inf")
		}
	}
	return out, nil
}
