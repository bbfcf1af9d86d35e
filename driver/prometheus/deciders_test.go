package prometheus

import (
	"context"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

// threshold is what all rules ask: less than 1 % bad.
const threshold = 0.01

// A rule decides on a canary, look by look.
type rule interface {
	every() time.Duration
	// look returns "promote", "roll back" or "".
	look(c *canary) string
}

// own is Segue's gate and guard on one check, as the engine asks them.
type own struct {
	check driver.Check
	hold  evidence.Hold
	alarm evidence.Alarm
	held  time.Duration // that the gate asks for
	deaf  bool          // without its guard, as a control
	tick  time.Duration
}

// newOwn makes Segue's rule: errors, or p99, with a confidence.
func newOwn(c *canary, latency bool, held, tick time.Duration) *own {
	confidence := percent(95)
	clock := func() time.Time { return c.now }
	o := &own{held: held, tick: tick}
	if latency {
		q, err := newQuantile(c, quantileParams{Histogram: "took", Quantile: 99, Below: 100 * time.Millisecond, claimParams: claimParams{Confidence: confidence}})
		if err != nil {
			panic(err)
		}
		q.now, o.check = clock, q
		return o
	}
	r, err := newRatio(c, ratioParams{Bad: "bad_total", Total: "all_total", Below: 100 * threshold, claimParams: claimParams{Confidence: confidence}})
	if err != nil {
		panic(err)
	}
	r.now, o.check = clock, r
	return o
}

func (o *own) every() time.Duration { return o.tick }

func (o *own) look(c *canary) string {
	r := o.check.Read(context.Background())
	r.At = c.now
	o.alarm = o.alarm.Next(r, o.tick)
	if !o.deaf && o.alarm.Due(0) {
		return "roll back"
	}
	o.hold = o.hold.Next(r, o.tick, 4*o.tick)
	if o.hold.Held >= o.held && o.hold.Passes > 0 && !o.hold.Last.IsZero() {
		return "promote"
	}
	if r.Tally != nil && o.hold.Soak != nil && r.Tally.Claim.After(o.hold.Soak.Restarts).Verdict(o.hold.Soak.Counts) == evidence.Fail {
		return "roll back" // early: it will not pass any more
	}
	return ""
}

// plain is the peers' rule: the rate of the last five minutes against the
// threshold, once a minute; ten successes promote, five failures roll back
// (Flagger's analysis). That no data is no success is to its favour.
type plain struct {
	window            []sample2
	success, failures int
}

func (p *plain) every() time.Duration { return time.Minute }

func (p *plain) look(c *canary) string {
	p.window = append(p.window, c.scraped)
	for c.now.Sub(p.window[0].at) > 5*time.Minute && len(p.window) > 2 {
		p.window = p.window[1:]
	}
	var bad, total float64
	for i := 1; i < len(p.window); i++ {
		was, is := p.window[i-1], p.window[i]
		if is.total < was.total {
			was = sample2{}
		}
		bad, total = bad+is.bad-was.bad, total+is.total-was.total
	}
	switch {
	case total <= 0:
		return ""
	case bad/total < threshold:
		p.success++
	default:
		p.failures++
	}
	switch {
	case p.failures >= 5:
		return "roll back"
	case p.success >= 10:
		return "promote"
	}
	return ""
}

// diluted is a control: a guard that looks at the share of all time.
type diluted struct{}

func (diluted) every() time.Duration { return time.Second }

func (diluted) look(c *canary) string {
	if c.scraped.total > 0 && c.scraped.bad/c.scraped.total >= threshold {
		return "roll back"
	}
	return ""
}

// decide runs a rule on a canary until it decides or the time is over.
func decide(c *canary, r rule, most time.Duration) (string, time.Duration) {
	begun := c.now
	for c.now.Sub(begun) < most {
		c.step(r.every())
		if what := r.look(c); what != "" {
			return what, c.now.Sub(begun)
		}
	}
	return "", most
}
