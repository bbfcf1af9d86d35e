package runbook

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// checks reads a list of checks: names, and {check, when} for those that are
// there for some inputs only. emptied says that it lists some, all left out.
func (m *mapping) checks(key string) (names []string, emptied bool) {
	if !m.has(key) || deref(m.vals[key]).Kind != yaml.SequenceNode {
		return m.list(key), false // an input, say
	}
	n := m.vals[key]
	entries := m.p.sequence(n, m.at(key), key)
	if len(entries) == 0 {
		return m.list(key), false // which says that it is empty
	}
	sure := map[string]bool{} // of those listed: there for all inputs
	in := map[string]bool{}
	for i, c := range entries {
		e := m.checkEntry(c, fmt.Sprintf("%s[%d]", m.at(key), i), key)
		if e.name == "" {
			continue
		}
		// One check may be listed for several conditions: any will do.
		if always, listed := sure[e.name]; listed && (always || e.always) {
			m.p.fault(c, fmt.Sprintf("%s[%d]", m.at(key), i), e.name+" is listed twice", "keep one of them")
			continue
		}
		sure[e.name] = e.always
		if !e.absent && !in[e.name] {
			in[e.name] = true
			names = append(names, e.name)
		}
	}
	return names, len(names) == 0 && len(sure) > 0
}

// checkEntry is one entry of a list of checks; one that is wrong has no name.
type checkEntry struct {
	name           string
	always, absent bool
}

func (m *mapping) checkEntry(n *yaml.Node, path, key string) checkEntry {
	if deref(n).Kind != yaml.MappingNode {
		v, sampled, ok := m.p.value(n, Field{Name: key, Type: CheckRef}, path, false)
		m.sampled = m.sampled || sampled
		if !ok {
			return checkEntry{}
		}
		return checkEntry{name: v.(string), always: true}
	}
	c, ok := m.p.open(n, chosenCheckSection, path, nil)
	if !ok {
		return checkEntry{}
	}
	e := checkEntry{name: c.text("check")}
	m.sampled = m.sampled || c.sampled
	e.absent = m.p.skips(c, "check "+e.name)
	return e
}
