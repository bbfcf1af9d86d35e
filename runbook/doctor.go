package runbook

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Trouble is something that may go wrong and what is done about it: which
// checks see that it is there, and which tell its causes apart.
type Trouble struct {
	Name    string
	Symptom string
	// SeenBy are the checks that see it: it is there when one of them fails.
	SeenBy    []string
	Causes    []Cause
	Otherwise *Finding // when it is there and no cause's check fails
	Pos       Pos
}

// A Cause is what may be behind a trouble: it is when its check fails.
type Cause struct {
	Check string
	Finding
}

// A Finding is what was found, and what a person does next.
type Finding struct {
	Text string
	Next string
	Pos  Pos
}

// Checks are the checks that a trouble asks, each once.
func (t Trouble) Checks() []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, name := range t.SeenBy {
		add(name)
	}
	for _, c := range t.Causes {
		add(c.Check)
	}
	return out
}

func (p *parser) readDoctor(n *yaml.Node) []Trouble {
	m, ok := p.mapping(n, "doctor", "doctor")
	if !ok {
		return nil
	}
	var out []Trouble
	for _, name := range m.order {
		path := join("doctor", name)
		p.name(m.keys[name], path, name, "a trouble")
		t, ok := p.open(m.vals[name], troubleSection, path, nil)
		if !ok {
			continue
		}
		if trouble := p.trouble(t, name); !p.skips(t, "trouble "+name) {
			out = append(out, trouble)
		}
	}
	return out
}

func (p *parser) trouble(m *mapping, name string) Trouble {
	t := Trouble{Name: name, Symptom: m.said("symptom"), Pos: m.pos()}
	seenBy, emptied := m.checks("seen-by")
	if t.SeenBy = seenBy; emptied {
		m.fault("seen-by", "every check that sees it is left out: it would never be there", "list a check that is there for these inputs, or leave the trouble out with `when`")
	}
	causes := map[string]bool{}
	if n := m.vals["causes"]; n != nil {
		list := p.sequence(n, m.at("causes"), "causes")
		if d := deref(n); list == nil && d.Kind == yaml.SequenceNode {
			m.fault("causes", "causes is empty", "list at least one, or leave the key out")
		}
		for i, c := range list {
			e, ok := p.open(c, causeSection, fmt.Sprintf("%s[%d]", m.at("causes"), i), nil)
			if !ok {
				continue
			}
			cause := Cause{Check: e.text("check"), Finding: finding(e)}
			if causes[cause.Check] && cause.Check != "" && !e.sampled {
				e.fault("check", "two causes are told by the check "+cause.Check, "give each a check of its own, or make one finding of them")
			}
			causes[cause.Check] = true
			if !p.skips(e, "cause "+cause.Check) {
				t.Causes = append(t.Causes, cause)
			}
		}
	}
	if n := m.vals["otherwise"]; n != nil {
		if e, ok := p.open(n, findingSection, m.at("otherwise"), nil); ok {
			f := finding(e)
			t.Otherwise = &f
		}
	}
	if !m.has("causes") && !m.has("otherwise") && m.has("symptom") {
		m.fault("causes", "the trouble "+name+" has a symptom and nothing to do about it", "list causes, or say otherwise: {finding: …, next: …}")
	}
	return t
}

func finding(m *mapping) Finding {
	return Finding{Text: m.said("finding"), Next: m.said("next"), Pos: m.pos()}
}

// said is a text for people: one that is there says something.
func (m *mapping) said(key string) string {
	text := m.text(key)
	if m.has(key) && deref(m.vals[key]).Kind == yaml.ScalarNode && deref(m.vals[key]).Tag != "!!null" && strings.TrimSpace(deref(m.vals[key]).Value) == "" {
		m.fault(key, key+" has no text", "write a sentence, or leave the key out")
	}
	return text
}
