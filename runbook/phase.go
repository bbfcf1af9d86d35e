package runbook

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v4"
)

func (p *parser) readPhases(n *yaml.Node) []Phase {
	list := p.sequence(n, "phases", "phases")
	if list == nil {
		p.broken["phases"] = true
		if d := deref(n); d.Kind == yaml.SequenceNode {
			p.fault(n, "phases", "there are no phases", "write at least one")
		}
		return nil
	}
	p.phaseNodes = list
	out := make([]Phase, 0, len(list))
	for i, c := range list {
		path := fmt.Sprintf("phases[%d]", i)
		m, ok := p.open(c, phaseSection, path, nil)
		if !ok {
			p.broken["phases"] = true
			continue
		}
		absent := p.absent(m)
		ph := p.phase(m, i)
		if absent {
			p.back(m, "phase "+ph.Name)
			continue
		}
		out = append(out, ph)
	}
	if len(out) == 0 && !p.broken["phases"] {
		p.fault(n, "phases", "every phase is left out: the run would do nothing", "set the inputs to values for which at least one phase is there")
	}
	return out
}

func (p *parser) phase(m *mapping, i int) Phase {
	ph := Phase{Name: m.text("name"), Description: m.text("description"), Pos: m.pos()}
	p.phaseName(m, ph.Name, i)
	p.goes("phase", ph.Name)
	ph.Needs = m.list("needs")
	for j, need := range ph.Needs {
		p.phaseNeed(m.entry("needs", j), fmt.Sprintf("%s[%d]", m.at("needs"), j), ph.Name, need, i)
	}
	if n := m.vals["require"]; n != nil {
		ph.Require = p.requirements(n, m.at("require"))
	}
	if n := m.vals["approve"]; n != nil {
		ph.Approve = p.approval(n, m.at("approve"))
	}
	if n := m.vals["steps"]; n != nil {
		ph.Steps = p.readSteps(n, m.at("steps"), ph.Name)
	}
	if n := m.vals["verify"]; n != nil {
		ph.Verify = p.verify(n, m.at("verify"))
	}
	if n := m.vals["gate"]; n != nil {
		ph.Gate = p.gate(n, m.at("gate"))
	}
	if n := m.vals["rollback"]; n != nil {
		if r, ok := p.open(n, rollbackSection, m.at("rollback"), nil); ok && r.has("verify") {
			ph.Rollback = p.verify(r.vals["verify"], r.at("verify"))
		}
	}
	ph.OnFailure = Response(m.text("on-failure"))
	does := func(key string) bool { return m.has(key) }
	if m.has("name") && !slices.ContainsFunc([]string{"steps", "verify", "gate", "require", "approve"}, does) {
		m.fault("steps", "the phase "+ph.Name+" does nothing", "give it steps, a verification or a gate")
	}
	return ph
}

// phaseName checks the name of the phase at index i and makes it known.
func (p *parser) phaseName(m *mapping, name string, i int) {
	n := m.vals["name"]
	if n == nil || name == "" && deref(n).Value != "" {
		p.broken["phases"] = true // already reported
		return
	}
	if m.sampled {
		p.broken["phases"] = true // its name is not known
		return
	}
	if !p.name(n, m.at("name"), name, "a phase") {
		p.broken["phases"] = true
		return
	}
	if name == ToPhase || name == ToStart {
		p.fault(n, m.at("name"), fmt.Sprintf("a phase cannot be called %s", name), "take another name: guards use it for a place to roll back to")
		return
	}
	if first, dup := p.phases[name]; dup {
		p.fault(n, m.at("name"), fmt.Sprintf("two phases are called %s: the %s and the %s", name, ordinal(first), ordinal(i)), "give each its own name")
		return
	}
	p.phases[name] = i
}

// phaseNeed checks that a phase needs an earlier one.
func (p *parser) phaseNeed(n *yaml.Node, path, name, need string, i int) {
	at, known := p.phases[need]
	switch {
	case known && at < i:
		p.stays(n, path, "phase", need)
	case known || need == name:
		p.fault(n, path, fmt.Sprintf("the phase %s needs itself", name), "remove it")
	case p.laterPhase(need, i):
		p.fault(n, path, fmt.Sprintf("the phase %s needs %s, which comes later", name, need), "phases run in order: move one of them, or remove it")
	case !p.broken["phases"]:
		p.fault(n, path, "no phase is called "+quoteKey(need), p.hints.remedy(need, maps.Keys(p.phases), "phases run in order: only earlier ones can be needed"))
	}
}

// laterPhase looks ahead, so that a need for a later phase is told apart from
// one for a phase that does not exist.
func (p *parser) laterPhase(name string, i int) bool {
	if p.ahead == nil {
		p.ahead = map[string]int{}
		for j, n := range p.phaseNodes {
			if n = deref(n); n.Kind != yaml.MappingNode {
				continue
			}
			for k := 0; k+1 < len(n.Content); k += 2 {
				if v := deref(n.Content[k+1]); n.Content[k].Value == "name" && v.Kind == yaml.ScalarNode {
					p.ahead[v.Value] = j
				}
			}
		}
	}
	at, ok := p.ahead[name]
	return ok && at > i
}

func ordinal(i int) string {
	n := i + 1
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}

func (p *parser) requirements(n *yaml.Node, path string) []Requirement {
	var out []Requirement
	for i, c := range p.sequence(n, path, "require") {
		path := fmt.Sprintf("%s[%d]", path, i)
		c = deref(c)
		if c.Kind == yaml.MappingNode {
			if r, ok := p.requirement(c, path); ok {
				out = append(out, r)
			}
			continue
		}
		v, _, ok := p.value(c, Field{Name: "require", Type: CheckRef}, path, false)
		if ok {
			within, _ := ParseDuration(requiredCheckSection.def("within"))
			out = append(out, Requirement{Check: v.(string), Within: within, Pos: p.pos(c)})
		}
	}
	return out
}

// requirement reads {check, within} or {attest, role}.
func (p *parser) requirement(n *yaml.Node, path string) (Requirement, bool) {
	isAttest, isCheck := false, false
	for i := 0; i+1 < len(n.Content); i += 2 {
		isAttest = isAttest || n.Content[i].Value == "attest"
		isCheck = isCheck || n.Content[i].Value == "check"
	}
	r := Requirement{Pos: p.pos(n)}
	switch {
	case isAttest && isCheck:
		p.fault(n, path, "a requirement is a check or an attestation, not both", "write two entries")
		return r, false
	case isAttest:
		m, ok := p.open(n, attestationSection, path, nil)
		if !ok {
			return r, false
		}
		if r.Attest = m.text("attest"); r.Attest == "" {
			m.fault("attest", "the attestation has no text", "say what is attested")
		}
		if r.Role = m.text("role"); m.has("role") && r.Role != "" {
			p.knownRole(m.vals["role"], m.at("role"), r.Role)
		}
		return r, !p.skips(m, "attestation "+quote(r.Attest))
	case isCheck:
		m, ok := p.open(n, requiredCheckSection, path, nil)
		if !ok {
			return r, false
		}
		r.Check, r.Within = m.text("check"), m.duration("within")
		return r, !p.skips(m, "check "+r.Check)
	}
	p.fault(n, path, "a requirement is a check or an attestation", "write the name of a check, {check: …, within: …} or {attest: …, role: …}")
	return r, false
}
