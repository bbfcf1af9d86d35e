package runbook

import (
	"fmt"
	"maps"
	"time"

	"go.yaml.in/yaml/v4"
)

func (p *parser) readGuards(n *yaml.Node, rb *Runbook) []Guard {
	var out []Guard
	names := map[string]Pos{}
	for i, c := range p.sequence(n, "guards", "guards") {
		m, ok := p.open(c, guardSection, fmt.Sprintf("guards[%d]", i), nil)
		if !ok {
			continue
		}
		absent := p.absent(m)
		g := p.guard(m)
		if g.Name != "" {
			if first, dup := names[g.Name]; dup {
				m.fault("name", fmt.Sprintf("two guards are called %s, the first on line %d", g.Name, first.Line), "give one of them a name of its own: add `name: …`")
			}
			names[g.Name] = g.Pos
		}
		if absent {
			p.back(m, "guard "+g.Name)
			continue
		}
		p.guardFloor(m, g, rb)
		out = append(out, g)
	}
	return out
}

func (p *parser) guard(m *mapping) Guard {
	g := Guard{
		Name: m.text("name"), Check: m.text("check"), FailsFor: m.duration("fails-for"),
		Do: Response(m.text("do")), To: m.text("to"), Severity: m.text("severity"),
		UnknownFor: m.duration("unknown-for"), Then: Response(m.text("then")), Every: m.duration("every"),
		From: m.text("from"), Until: m.text("until"), Pos: m.pos(),
	}
	if m.has("name") && g.Name != "" {
		p.name(m.vals["name"], m.at("name"), g.Name, "a guard")
	}
	if g.Name == "" {
		g.Name = g.Check
	}
	if g.Every == 0 {
		g.Every = time.Second
		if g.FailsFor > 0 {
			g.Every = min(5*time.Second, max(250*time.Millisecond, g.FailsFor/5))
		}
		if g.UnknownFor > 0 {
			g.Every = min(g.Every, g.UnknownFor)
		}
	}
	p.guardTimes(m, g)
	p.guardPlaces(m, &g)
	return g
}

func (p *parser) guardTimes(m *mapping, g Guard) {
	if m.has("then") && !m.has("unknown-for") {
		m.fault("then", "then says what follows unknown-for, and there is none", "add `unknown-for: …`, or remove then")
	}
	if m.has("unknown-for") && !m.has("then") {
		m.fault("unknown-for", "unknown-for needs then", "add `then: rollback`, `then: pause` or `then: notify`")
	}
	if m.sampled || !m.has("every") {
		return
	}
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"fails-for", g.FailsFor}, {"unknown-for", g.UnknownFor}} {
		if t.d > 0 && g.Every > t.d {
			m.fault("every", fmt.Sprintf("every (%s) is longer than %s (%s)", FormatDuration(g.Every), t.name, FormatDuration(t.d)), "ask more often")
			return
		}
	}
}

// guardPlaces checks where a guard rolls back to and when it is armed.
func (p *parser) guardPlaces(m *mapping, g *Guard) {
	rolls := g.Do == Rollback || g.Then == Rollback
	switch {
	case m.has("to") && !rolls && g.Do != "" && !m.sampled:
		m.fault("to", "to says where to roll back to, but the guard does not roll back", "write do: rollback, or remove to")
	case m.has("to"):
		p.place(m, "to", g.To, true)
	case rolls:
		g.To = ToPhase
	}
	for _, key := range []string{"from", "until"} {
		if m.has(key) {
			p.phaseRef(m, key, m.text(key))
		}
	}
	from, okFrom := p.phases[g.From]
	until, okUntil := p.phases[g.Until]
	if okFrom && okUntil && until < from {
		m.fault("until", fmt.Sprintf("the guard ends with %s before it begins with %s", g.Until, g.From), "phases run in order: write the earlier one in from")
	}
}

// phaseRef checks the name of any phase.
func (p *parser) phaseRef(m *mapping, key, name string) {
	p.stays(m.vals[key], m.at(key), "phase", name)
	if _, ok := p.phases[name]; !ok && !p.broken["phases"] && !m.sampled {
		m.fault(key, "no phase is called "+quoteKey(name), p.hints.remedy(name, maps.Keys(p.phases), "write the name of a phase"))
	}
}

// place checks a name of a place to roll back to.
func (p *parser) place(m *mapping, key, name string, guard bool) {
	_, isPhase := p.phases[name]
	switch {
	case isPhase:
		p.stays(m.vals[key], m.at(key), "phase", name)
	case guard && p.targets[name]:
		p.stays(m.vals[key], m.at(key), "target", name)
	}
	if isPhase || name == ToStart || m.sampled || p.broken["phases"] {
		return
	}
	if guard && (name == ToPhase || p.targets[name] || p.broken["targets"]) {
		if p.targets[name] {
			p.used["targets."+name] = true
		}
		return
	}
	known := map[string]bool{ToStart: true}
	maps.Copy(known, p.targets)
	for phase := range p.phases {
		known[phase] = true
	}
	problem := "no phase or target is called " + quoteKey(name)
	if guard {
		known[ToPhase] = true
	} else {
		for t := range p.targets {
			delete(known, t)
		}
		problem = "no phase is called " + quoteKey(name)
	}
	m.fault(key, problem, p.hints.remedy(name, maps.Keys(known), "write start or the name of a phase"))
}
