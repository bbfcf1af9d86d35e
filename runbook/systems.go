package runbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readRoles reads who may approve and attest as what.
func (p *parser) readRoles(n *yaml.Node) map[string][]string {
	p.roles, p.roleAt = map[string][]string{}, map[string]Pos{}
	m, ok := p.mapping(n, "roles", "roles")
	if !ok {
		p.broken["roles"] = true
		return nil
	}
	out := p.roles
	for _, role := range m.order {
		path := join("roles", role)
		p.name(m.keys[role], path, role, "a role")
		p.roles[role] = nil
		p.roleAt[role] = p.pos(m.keys[role])
		v, _, ok := p.value(m.vals[role], Field{Name: role, Type: List, Elem: String}, path, false)
		if !ok {
			continue
		}
		for _, actor := range v.([]any) {
			if !slices.Contains(out[role], actor.(string)) {
				out[role] = append(out[role], actor.(string))
			}
		}
		if len(out[role]) == 0 {
			p.fault(m.vals[role], path, "the role "+role+" has no actors", "list at least one")
		}
	}
	return out
}

// knownRole checks a role that an approval or attestation names.
func (p *parser) knownRole(n *yaml.Node, path, role string) {
	if !nameForm.MatchString(role) || len(role) > maxName {
		p.name(n, path, role, "a role")
		return
	}
	if _, known := p.roles[role]; p.roles != nil && !known && !p.broken["roles"] {
		p.fault(n, path, "no role is called "+role, p.hints.remedy(role, maps.Keys(p.roles), "declare it under roles"))
	}
	p.used["roles."+role] = true
}

func (p *parser) readConnections(n *yaml.Node) []Conn {
	m, ok := p.mapping(n, "connections", "connections")
	if !ok {
		p.broken["connections"] = true
		return nil
	}
	var out []Conn
	for _, name := range m.order {
		path := join("connections", name)
		p.name(m.keys[name], path, name, "a connection")
		p.conns[name] = ""
		u, ok := p.single(m.vals[name], Connection, path, "a connection")
		p.conns[name] = u.Kind.Name
		if ok {
			out = append(out, Conn{Name: name, Use: u})
		}
	}
	return out
}

func (p *parser) readChecks(n *yaml.Node) []NamedCheck {
	m, ok := p.mapping(n, "checks", "checks")
	if !ok {
		p.broken["checks"] = true
		return nil
	}
	for _, name := range m.order {
		p.checks[name] = m.keys[name]
	}
	var out []NamedCheck
	for _, name := range m.order {
		path := join("checks", name)
		p.name(m.keys[name], path, name, "a check")
		if u, ok := p.single(m.vals[name], Check, path, "a check"); ok {
			out = append(out, NamedCheck{Name: name, Use: u})
		}
	}
	p.checkCycles(out)
	return out
}

// checkCycles refuses checks that are asked for in their own answer.
func (p *parser) checkCycles(list []NamedCheck) {
	refs := map[string][]string{}
	for _, c := range list {
		refs[c.Name] = c.checkRefs()
	}
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	found := false
	var visit func(string)
	visit = func(name string) {
		if found { // one ring is enough: the others may be its own
			return
		}
		state[name] = visiting
		path = append(path, name)
		for _, next := range refs[name] {
			switch state[next] {
			case visiting:
				if found {
					return
				}
				found = true
				ring := append(slices.Clone(path[slices.Index(path, next):]), next)
				p.fault(p.checks[next], join("checks", next), fmt.Sprintf("the check %s needs its own answer (%s)", next, strings.Join(ring, " → ")), "break the ring")
			case 0:
				visit(next)
			}
		}
		path = path[:len(path)-1]
		state[name] = done
	}
	for _, c := range list {
		if state[c.Name] == 0 {
			visit(c.Name)
		}
	}
}

// checkRefs lists the checks that a use's parameters name.
func (u Use) checkRefs() []string {
	var out []string
	for _, f := range u.Kind.Fields {
		switch v := u.Params[f.Name].(type) {
		case string:
			if f.Type == CheckRef {
				out = append(out, v)
			}
		case []any:
			if f.Type == List && f.Elem == CheckRef {
				for _, e := range v {
					out = append(out, e.(string))
				}
			}
		case map[string]any:
			if f.Type == Map && f.Elem == CheckRef {
				for _, k := range slices.Sorted(maps.Keys(v)) {
					out = append(out, v[k].(string))
				}
			}
		}
	}
	return out
}
