package runbook

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

func (p *parser) approval(n *yaml.Node, path string) *Approval {
	m, ok := p.open(n, approvalSection, path, nil)
	if !ok {
		return nil
	}
	a := &Approval{Roles: m.list("roles"), NotByActor: m.flag("not-by-actor"), Pos: m.pos()}
	for i, role := range a.Roles {
		p.knownRole(m.entry("roles", i), fmt.Sprintf("%s[%d]", m.at("roles"), i), role)
	}
	a.Count = max(1, len(a.Roles))
	p.approvalCount(m, a)
	if p.skips(m, "approval") {
		return nil
	}
	return a
}

func (p *parser) approvalCount(m *mapping, a *Approval) {
	v, ok := m.value("count")
	if !ok {
		return
	}
	const most = 100
	switch count := v.(int64); {
	case count < 1:
		m.fault("count", fmt.Sprintf("count is %d", count), "at least one person must approve")
	case count > most:
		m.fault("count", fmt.Sprintf("count is %d", count), fmt.Sprintf("write %d at most", most))
	default:
		a.Count = int(count)
		p.enoughPeople(m, a)
	}
}

// enoughPeople refuses an approval that the people in the listed roles cannot
// give.
func (p *parser) enoughPeople(m *mapping, a *Approval) {
	if len(a.Roles) == 0 {
		return
	}
	people := map[string]bool{}
	for _, role := range a.Roles {
		if len(p.roles[role]) == 0 {
			return // anyone may claim it
		}
		for _, actor := range p.roles[role] {
			people[actor] = true
		}
	}
	switch {
	case a.Count > len(people):
		m.fault("count", fmt.Sprintf("count is %d, but only %d people have the roles", a.Count, len(people)), "ask fewer, or list more actors under roles")
	case a.NotByActor && a.Count == len(people):
		p.note(a.Pos, m.path, fmt.Sprintf("all %d people with the roles must approve, so none of them can start the run", len(people)), "ask fewer, or list more actors under roles")
	}
}
