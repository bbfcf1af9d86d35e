package report

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

func (m *maker) takeGate(ev engine.Event, e runner.Entry) {
	switch ev := ev.(type) {
	case engine.GateOpened:
		m.openGate(ev.Phase, e)
	case engine.GateHeld:
		g := m.gate(ev.Phase, e)
		for _, c := range g.Clocks {
			if now, ok := ev.Clocks[c.Check]; ok && Span(now.Held) < c.Held {
				g.Resets++
			}
		}
		g.Spent = Span(ev.Spent)
		g.clocks(ev.Clocks, nil)
	case engine.GatePassed:
		g := m.gate(ev.Phase, e)
		g.clocks(ev.Clocks, ev.Readings)
		g.end(e.At, "passed")
		delete(m.gates, ev.Phase)
	case engine.GateExpired:
		g := m.gate(ev.Phase, e)
		g.clocks(nil, ev.Readings)
		g.end(e.At, "expired: "+ev.Then)
		g.Spent = g.Deadline
	}
}

// gate is the phase's open gate.
func (m *maker) gate(phase string, e runner.Entry) *Gate {
	if g := m.gates[phase]; g != nil {
		return g
	}
	return m.openGate(phase, e) // a journal that speaks of a gate before it opened
}

func (m *maker) openGate(phase string, e runner.Entry) *Gate {
	g := &Gate{Phase: phase, Attempt: m.attempt(phase).Attempt, Opened: e.At, Result: "waiting"}
	if def := gateOf(e.Runbook, phase); def != nil {
		g.For, g.Every, g.Deadline = Span(def.For), Span(def.Every), Span(def.Deadline)
		for _, name := range def.Hold {
			g.Clocks = append(g.Clocks, Clock{Check: name})
		}
	}
	m.attempt(phase).Gating = e.At
	m.gates[phase] = g
	m.r.Gates = append(m.r.Gates, g)
	return g
}

func gateOf(rb *runbook.Runbook, phase string) *runbook.Gate {
	if i := rb.Phase(phase); i >= 0 {
		return rb.Phases[i].Gate
	}
	return nil
}

func (g *Gate) end(at time.Time, result string) {
	g.Ended, g.Result = at, result
}

func (g *Gate) clocks(clocks map[string]evidence.Hold, readings map[string]evidence.Reading) {
	for i := range g.Clocks {
		c := &g.Clocks[i]
		if h, ok := clocks[c.Check]; ok {
			c.Held, c.Passes = Span(h.Held), h.Passes
		}
		if r, ok := readings[c.Check]; ok {
			c.Reading = r
		}
	}
}

func (m *maker) takeGuard(ev engine.Event, at time.Time) {
	switch ev := ev.(type) {
	case engine.GuardTripped:
		t := &Trip{
			Guard: ev.Guard, At: at, Do: ev.Do, To: ev.To, Severity: ev.Severity,
			Unknown: ev.Unknown, For: Span(ev.For), Reading: ev.Reading,
		}
		m.trips[ev.Guard] = t
		m.r.Guards = append(m.r.Guards, t)
	case engine.GuardQuiet:
		if t := m.trips[ev.Guard]; t != nil {
			t.Quiet = at
		}
	case engine.CheckTurned:
		c := m.check(ev.Check)
		c.Turns++
		c.last(ev.Reading)
	}
}

func (m *maker) check(name string) *Check {
	for _, c := range m.r.Checks {
		if c.Name == name {
			return c
		}
	}
	c := &Check{Name: name}
	if def, ok := m.h.Runbook.Check(name); ok {
		c.Kind = def.Kind.Name
	}
	m.r.Checks = append(m.r.Checks, c)
	return c
}

func (c *Check) last(r evidence.Reading) {
	if !r.At.Before(c.Last.At) {
		c.Last = r
	}
}

func (c *Check) count(r evidence.Reading) {
	switch r.Verdict {
	case evidence.Pass:
		c.Pass++
	case evidence.Fail:
		c.Fail++
	default:
		c.Unknown++
	}
	c.last(r)
}
