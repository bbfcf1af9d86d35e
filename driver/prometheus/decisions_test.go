package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// decisions is the result of `make bench-decisions`: how often a rule decides
// wrongly, and how long it takes.
type decisions struct {
	FalsePromotions      float64 `json:"false_promotions"` // per cent, where it is worst
	FalseRollbacks       float64 `json:"false_rollbacks"`
	PlainFalsePromotions float64 `json:"plain_false_promotions"`
	PlainFalseRollbacks  float64 `json:"plain_false_rollbacks"`
	SecondsToRollback    float64 `json:"seconds_to_rollback"` // 19 of 20 are found by then
	Cells                []cell  `json:"cells"`
	Faults               []fault `json:"faults"`
	Quiet                quiet   `json:"quiet"`
}

// A cell is many canaries of one kind under one rule.
type cell struct {
	Rule        string  `json:"rule"`
	Kind        string  `json:"kind"`     // errors or latency
	Share       float64 `json:"share"`    // the true one; the threshold is 0.01
	PerMin      float64 `json:"per_min"`  // requests
	Canaries    int     `json:"canaries"` // how many
	Promoted    float64 `json:"promoted"` // per cent
	RolledBack  float64 `json:"rolled_back"`
	MedianHours float64 `json:"median_hours"` // to a decision, or to the end
}

// A fault is 5 % errors at 100 requests a second, all of a sudden.
type fault struct {
	AfterDays float64 `json:"after_days"` // clean ones
	Canaries  int     `json:"canaries"`
	Mean      float64 `json:"mean_seconds"`
	Late      float64 `json:"p95_seconds"`
}

// quiet is a guard on clean canaries for fourteen days each.
type quiet struct {
	Days        float64 `json:"days"`
	FalseAlarms int     `json:"false_alarms"`
}

// full says where to write the result of a full simulation, "" for a short one.
var full = os.Getenv("SEGUE_DECISIONS")

var levels = []float64{1, 10, 100, 1000, 10_000}

func TestDecisions(t *testing.T) {
	n, days := 16, 0.02
	if full != "" {
		n, days = 200, 14
	}
	var d decisions
	measure(t, &d, n)
	for _, after := range []float64{0, days} {
		f := faults(n, after)
		d.Faults = append(d.Faults, f)
		d.SecondsToRollback = max(d.SecondsToRollback, f.Late)
	}
	d.Quiet = clean(max(1, n/40), days)
	controls(t, n)

	// So few canaries leave some room; the full run has none.
	allowed := 5.0
	if full == "" {
		allowed = 15
	}
	if d.FalsePromotions > allowed {
		t.Errorf("%.1f %% false promotions", d.FalsePromotions)
	}
	if d.FalseRollbacks > d.PlainFalseRollbacks {
		t.Errorf("%.1f %% false rollbacks, and %.1f %% by the plain rule", d.FalseRollbacks, d.PlainFalseRollbacks)
	}
	if d.SecondsToRollback >= 10 {
		t.Errorf("5 %% errors at 100 a second are found in %.1f s", d.SecondsToRollback)
	}
	if d.Quiet.FalseAlarms > 0 {
		t.Errorf("%d false alarms in %g days", d.Quiet.FalseAlarms, d.Quiet.Days)
	}
	if full != "" {
		raw, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, append(raw, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// measure runs canaries that must not be promoted, and some that must not be
// rolled back, at every level of traffic.
func measure(t *testing.T, d *decisions, n int) {
	for _, kind := range []string{"errors", "latency"} {
		for _, share := range []float64{threshold, 1.5 * threshold, 3 * threshold, threshold / 2, threshold / 5, 0} {
			for _, perMin := range levels {
				if kind == "latency" && perMin != 100 {
					continue // the same claim, over another counter
				}
				if full == "" && (perMin != 100 && perMin != 10 || share != threshold && share != threshold/2) {
					continue
				}
				ours := run(kind, share, perMin, n, func(c *canary) rule { return newOwn(c, kind == "latency", 10*time.Minute, 15*time.Second) })
				ours.Rule = "segue"
				other := run(kind, share, perMin, n, func(*canary) rule { return &plain{} })
				other.Rule = "plain"
				d.Cells = append(d.Cells, ours, other)
				if share >= threshold {
					d.FalsePromotions = max(d.FalsePromotions, ours.Promoted)
					d.PlainFalsePromotions = max(d.PlainFalsePromotions, other.Promoted)
				} else {
					d.FalseRollbacks = max(d.FalseRollbacks, ours.RolledBack)
					d.PlainFalseRollbacks = max(d.PlainFalseRollbacks, other.RolledBack)
				}
				t.Logf("%s, %.2g %% bad, %g/min: promoted %.1f %%, plain %.1f %%; rolled back %.1f %%, plain %.1f %%; decided after %.2f h, plain %.2f h",
					kind, 100*share, perMin, ours.Promoted, other.Promoted, ours.RolledBack, other.RolledBack, ours.MedianHours, other.MedianHours)
			}
		}
	}
}

// run lets a rule decide on n canaries, for half a day at most.
func run(kind string, share, perMin float64, n int, of func(*canary) rule) cell {
	out := cell{Kind: kind, Share: share, PerMin: perMin, Canaries: n}
	var took []float64
	most := 12 * time.Hour
	if full == "" {
		most = 2 * time.Hour
	}
	for i := range n {
		c := newCanary(uint64(i)+1, share, perMin, true)
		what, after := decide(c, of(c), most)
		switch what {
		case "promote":
			out.Promoted += 100 / float64(n)
		case "roll back":
			out.RolledBack += 100 / float64(n)
		}
		took = append(took, after.Hours())
	}
	slices.Sort(took)
	out.MedianHours = took[len(took)/2]
	return out
}

// faults measures how soon 5 % errors at 100 a second are found after clean
// days, from the fault to the guard's alarm, scrapes in between.
func faults(n int, days float64) fault {
	out := fault{AfterDays: days, Canaries: n}
	c, o := afterDays(days)
	var took []float64
	for i := range n {
		canary, guard := *c, *o
		was := o.check.(*ratio)
		proof := *was.proof
		guard.check = &ratio{
			counting: counting{source: &canary, maxAge: was.maxAge, last: was.last, now: func() time.Time { return canary.now }},
			p:        was.p, share: was.share.clone(), proof: &proof, firstLook: was.firstLook,
		}
		canary.rnd = newCanary(uint64(i)+1, 0, 0, false).rnd
		canary.share = 0.05
		_, after := decide(&canary, &guard, time.Hour)
		took = append(took, after.Seconds())
		out.Mean += after.Seconds() / float64(n)
	}
	slices.Sort(took)
	out.Late = took[(len(took)*95+99)/100-1]
	return out
}

func (s share) clone() share {
	copied := s
	for _, c := range []*counts{&copied.badSeen, &copied.allSeen} {
		seen := map[string]sample{}
		for k, v := range c.seen {
			seen[k] = v
		}
		c.seen = seen
	}
	return copied
}

// afterDays is a clean canary at 100 a second, watched for days each second.
func afterDays(days float64) (*canary, *own) {
	c := newCanary(99, 0.0005, 6000, false)
	o := newOwn(c, false, 1000*time.Hour, time.Second)
	most := time.Duration(days*24*float64(time.Hour)) + 10*time.Second
	if what, after := decide(c, o, most); what != "" {
		panic(fmt.Sprintf("a clean canary: %s after %s", what, after))
	}
	return c, o
}

// clean counts the alarms of a guard on canaries that are just good enough.
func clean(n int, days float64) quiet {
	var q quiet
	for i := range n {
		c := newCanary(uint64(i)+500, threshold*0.8, levels[i%len(levels)], true)
		o := newOwn(c, false, 1e4*time.Hour, 5*time.Second)
		for begun := c.now; c.now.Sub(begun).Hours() < 24*days; {
			c.step(o.tick)
			r := o.check.Read(context.Background())
			r.At = c.now
			was := o.alarm
			if o.alarm = o.alarm.Next(r, o.tick); o.alarm.Due(0) && !was.Due(0) {
				q.FalseAlarms++
			}
		}
		q.Days += days
	}
	return q
}

// controls are rules built wrong: a simulation that does not see them decide
// wrongly would see nothing.
func controls(t *testing.T, n int) {
	t.Helper()
	lax := run("errors", threshold, 1000, n, func(c *canary) rule {
		o := newOwn(c, false, 10*time.Minute, 15*time.Second)
		// A plain look at the share so far, at every tick, until it suits.
		r := o.check.(*ratio)
		r.proof = nil
		o.deaf = true
		return o
	})
	if lax.Promoted < 20 {
		t.Errorf("control: a gate without a bound promotes only %.1f %% of what is just at the threshold", lax.Promoted)
	}
	if blatant := run("errors", 0.2, 1000, n, func(c *canary) rule { return newOwn(c, false, 10*time.Minute, 15*time.Second) }); blatant.RolledBack < 100 {
		t.Errorf("control: of canaries with 20 %% errors %.1f %% are rolled back", blatant.RolledBack)
	}
	c := newCanary(7, 0.0005, 6000, false)
	c.step(24 * time.Hour)
	c.share = 0.05
	if _, after := decide(c, diluted{}, 30*time.Second); after < 10*time.Second {
		t.Errorf("control: the share of all time finds a fault after a clean day in %s: the clean day dilutes nothing", after)
	}
}
