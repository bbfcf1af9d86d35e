package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// gate keeps the gate's clocks and opens it, or gives up at its deadline.
func (s *State) gate(rb *runbook.Runbook, p runbook.Phase, ph *Phase, d *Decision, now time.Time) {
	if p.Gate == nil { // a journal that speaks of a gate where there is none
		d.say(PhaseDone{Phase: p.Name})
		return
	}
	if ph.Clocks == nil {
		d.say(GateOpened{Phase: p.Name})
		return
	}
	g := p.Gate
	open := true
	readings := map[string]evidence.Reading{}
	for _, name := range g.Hold {
		d.watch(name, g.Every)
		clock := ph.Clocks[name]
		c := s.Checks[name]
		if c != nil {
			readings[name] = clock.Judged(c.Reading)
		}
		if clock.Held >= g.For && clock.Passes > 0 && !clock.Last.IsZero() {
			continue
		}
		open = false
		d.wait(waitHold(g, name, clock, c, ph.Since, now))
	}
	spent := ph.Spent
	if !ph.ticked.IsZero() {
		spent += now.Sub(ph.ticked)
	}
	switch {
	case open:
		d.say(GatePassed{Phase: p.Name, Clocks: ph.Clocks, Readings: readings})
	case ph.ticked.IsZero() || now.Sub(ph.saved) >= checkpointEvery(g.For):
		d.say(GateHeld{Phase: p.Name, Clocks: copyClocks(ph.Clocks), Spent: spent})
	case g.Deadline > 0 && spent >= g.Deadline && !ph.Expired:
		then := g.Then
		if then == "" {
			then = runbook.Pause
		}
		why := fmt.Sprintf("gate of phase %s did not open within %s: %s", p.Name, g.Deadline, ph.shortOf(g, readings))
		d.say(GateExpired{Phase: p.Name, Then: string(then), Readings: readings})
		switch then {
		case runbook.Rollback:
			s.startRollback(rb, Request{Target: runbook.ToPhase, Why: why, By: "gate:" + p.Name}, d)
		case runbook.Pause:
			d.say(Paused{Why: why, By: "gate:" + p.Name, Next: "segue resume, or segue rollback"})
		}
	default:
		if g.Deadline > 0 && !ph.Expired {
			d.wakeAt(now.Add(g.Deadline - spent))
		}
		d.wakeAt(ph.saved.Add(checkpointEvery(g.For)))
	}
}

// waitHold is the wait for a check to hold behind a gate: what it has, what it
// lacks, and when that can be there at the earliest.
func waitHold(g *runbook.Gate, name string, clock evidence.Hold, c *Check, since, now time.Time) Wait {
	w := waitCheck(name, c, since, "must hold")
	left := g.For - clock.Held
	w.Held, w.Needs = clock.Held, g.For
	w.Earliest = now.Add(left)
	if !clock.Last.IsZero() {
		w.Earliest = clock.Last.Add(max(left-clock.Quiet, 0))
	}
	if c == nil {
		return w
	}
	r := clock.Judged(c.Reading)
	w.Reading, w.Progress = &r, clock.Progress(c.Reading)
	p := w.Progress
	switch {
	case r.Verdict == evidence.Pass:
		w.Missing = fmt.Sprintf("%s more of holding", left.Round(time.Millisecond))
		if clock.Quiet > 2*g.Every {
			w.Missing += fmt.Sprintf(", %s of it as soon as something comes", min(clock.Quiet, left).Round(time.Millisecond))
		}
	case p == nil || r.Tally == nil || r.Tally.Recent != evidence.Pass:
		if !r.At.Before(since) {
			what := "an answer"
			if r.Verdict == evidence.Fail {
				what = "a pass"
			}
			w.Missing = fmt.Sprintf("%s, and then %s of holding", what, left.Round(time.Millisecond))
		}
	case p.Needs == 0:
		w.Missing, w.Earliest = "a lower share: at what was seen it never passes", time.Time{}
	case p.Rate == 0:
		w.Missing, w.Earliest = fmt.Sprintf("%.0f samples", p.Needs-p.Samples()), time.Time{}
	default:
		w.Missing = fmt.Sprintf("%.0f more samples, and then %s of holding", p.Needs-p.Samples(), left.Round(time.Millisecond))
		w.Earliest = w.Earliest.Add(p.In)
	}
	return w
}

// shortOf says what a gate that did not open was short of.
func (p *Phase) shortOf(g *runbook.Gate, readings map[string]evidence.Reading) string {
	var out []string
	for _, name := range g.Hold {
		held := p.Clocks[name].Held
		if r := readings[name]; r.Verdict != evidence.Pass {
			out = append(out, describe(name, &Check{Reading: r}))
		} else if held < g.For {
			out = append(out, fmt.Sprintf("%s has held for %s of %s", name, held.Round(time.Millisecond), g.For))
		}
	}
	return strings.Join(out, "; ")
}

// checkpointEvery bounds what a crash can take from a gate's clock.
func checkpointEvery(whole time.Duration) time.Duration {
	return min(max(whole/20, time.Second), 30*time.Second)
}
