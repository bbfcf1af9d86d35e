package runbook

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

func (p *parser) readTargets(n *yaml.Node) []Target {
	m, ok := p.mapping(n, "targets", "targets")
	if !ok {
		p.broken["targets"] = true
		return nil
	}
	var out []Target
	for _, name := range m.order {
		path := join("targets", name)
		p.name(m.keys[name], path, name, "a target")
		if _, dup := p.phases[name]; dup || name == ToPhase || name == ToStart {
			why := "a phase is called so too"
			if !dup {
				why = "guards use the word for a place of its own"
			}
			p.fault(m.keys[name], path, fmt.Sprintf("a target cannot be called %s: %s", name, why), "take another name")
		}
		p.targets[name] = true
		t, ok := p.open(m.vals[name], targetSection, path, nil)
		if !ok {
			continue
		}
		absent := p.absent(t)
		p.goes("target", name)
		target := p.target(t, name)
		if absent {
			p.back(t, "target "+name)
			continue
		}
		out = append(out, target)
	}
	return out
}

func (p *parser) target(m *mapping, name string) Target {
	t := Target{Name: name, To: m.text("to"), Pos: m.p.pos(m.node)}
	if m.has("to") {
		p.place(m, "to", t.To, false)
	}
	if n := m.vals["first"]; n != nil {
		t.First = p.readSteps(n, m.at("first"), "target:"+name)
	}
	if n := m.vals["verify"]; n != nil {
		t.Verify = p.verify(n, m.at("verify"))
	}
	return t
}
