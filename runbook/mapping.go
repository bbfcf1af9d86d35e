package runbook

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A mapping is a YAML mapping whose keys were found to be unique strings.
type mapping struct {
	p       *parser
	section *section
	node    *yaml.Node
	path    string
	order   []string
	keys    map[string]*yaml.Node
	vals    map[string]*yaml.Node
	meant   map[string]bool // keys that are there, misspelt
	sampled bool            // a value stands in for an input that lint does not know
}

// mapping looks at a node as a mapping; what says what it is, for errors.
func (p *parser) mapping(n *yaml.Node, path, what string) (*mapping, bool) {
	n = deref(n)
	if !p.spend(n, path, nodeWork) || !p.untagged(n, path) {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		p.fault(n, path, fmt.Sprintf("%s is a mapping of keys to values, not %s", what, describe(n)), "write `key: value` lines beneath it")
		return nil, false
	}
	m := &mapping{p: p, node: n, path: path, keys: map[string]*yaml.Node{}, vals: map[string]*yaml.Node{}, meant: map[string]bool{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := deref(n.Content[i]), n.Content[i+1]
		if !p.spend(k, path, nodeWork) || p.report.full() {
			return nil, false
		}
		switch first, dup := m.keys[k.Value]; {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!null":
			p.fault(k, path, "a key is a word, not "+describe(k), "write it as text")
		case k.Tag == "!!merge":
			p.fault(k, path, "merge keys (<<) are not part of the language", "write the keys out")
		case dup:
			p.fault(k, join(path, k.Value), fmt.Sprintf("%s is given twice, first on line %d", quoteKey(k.Value), first.Line), "keep one of them")
		default:
			m.order = append(m.order, k.Value)
			m.keys[k.Value], m.vals[k.Value] = k, v
		}
	}
	return m, true
}

// open looks at a node as a section: no unknown keys but those that extra
// takes, and all that are required.
func (p *parser) open(n *yaml.Node, s *section, path string, extra func(name string, k *yaml.Node) bool) (*mapping, bool) {
	m, ok := p.mapping(n, path, s.what)
	if !ok {
		return nil, false
	}
	m.section = s
	for _, name := range m.order {
		if _, known := s.key(name); known || extra != nil && extra(name, m.keys[name]) {
			continue
		}
		p.fault(m.keys[name], join(path, name), fmt.Sprintf("%s has no key %s", s.what, quoteKey(name)),
			p.hints.remedy(name, s.names(), "remove it"))
		if near := p.hints.nearest(name, s.names()); near != "" && m.vals[near] == nil {
			m.meant[near] = true
		}
	}
	for _, k := range s.keys {
		if _, given := m.vals[k.Name]; k.Required && !given && !m.meant[k.Name] {
			p.fault(m.node, path, fmt.Sprintf("%s needs the key %s", s.what, k.Name), "add `"+k.Name+": …` ("+firstSentence(k.Doc)+")")
		}
	}
	return m, true
}

func (s *section) names() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, k := range s.keys {
			if !yield(k.Name) {
				return
			}
		}
	}
}

func (m *mapping) pos() Pos { return m.p.pos(m.node) }

func (m *mapping) has(name string) bool { return m.vals[name] != nil }

// at is the path of a key.
func (m *mapping) at(name string) string { return join(m.path, name) }

// fault records an error at the value of a key, or at the mapping itself when
// the key is not given.
func (m *mapping) fault(name, problem, remedy string) {
	n := m.vals[name]
	if n == nil {
		n = m.node
	}
	m.p.fault(n, m.at(name), problem, remedy)
}

// value decodes a plain key; ok is false when it is absent or wrong.
func (m *mapping) value(name string) (v any, ok bool) {
	n := m.vals[name]
	if n == nil {
		return nil, false
	}
	k, _ := m.section.key(name)
	v, sampled, ok := m.p.value(n, k.Field, m.at(name), false)
	m.sampled = m.sampled || sampled
	return v, ok
}

func (m *mapping) text(name string) string {
	s, ok := m.value(name)
	if !ok {
		k, _ := m.section.key(name)
		return k.Default
	}
	return s.(string)
}

func (m *mapping) flag(name string) bool {
	v, ok := m.value(name)
	return ok && v.(bool)
}

// duration decodes a duration; absent, it is the key's default or 0.
func (m *mapping) duration(name string) time.Duration {
	k, _ := m.section.key(name)
	if !m.has(name) {
		d, _ := ParseDuration(k.Default)
		return d
	}
	v, ok := m.value(name)
	if !ok {
		return 0
	}
	d := v.(time.Duration)
	if d == 0 && !k.zero {
		m.fault(name, name+" is 0", "write a longer duration, as in 15s")
	}
	return d
}

// list decodes a list of names; it may hold a name once only.
func (m *mapping) list(name string) []string {
	v, ok := m.value(name)
	if !ok {
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for i, e := range v.([]any) {
		s := e.(string)
		if seen[s] {
			m.p.fault(m.entry(name, i), fmt.Sprintf("%s[%d]", m.at(name), i), s+" is listed twice", "keep one of them")
			continue
		}
		seen[s] = true
		out = append(out, s)
	}
	if len(v.([]any)) == 0 {
		m.fault(name, name+" is empty", "list at least one, or leave the key out")
	}
	return out
}

// entry is the node of a list's entry, for its position.
func (m *mapping) entry(name string, i int) *yaml.Node {
	n := deref(m.vals[name])
	if n.Kind == yaml.SequenceNode && i < len(n.Content) {
		return n.Content[i]
	}
	return n
}

// sequence looks at a node as a list.
func (p *parser) sequence(n *yaml.Node, path, what string) []*yaml.Node {
	n = deref(n)
	if !p.spend(n, path, nodeWork+len(n.Content)) || !p.untagged(n, path) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.fault(n, path, fmt.Sprintf("%s is a list, not %s", what, describe(n)), "write each entry on a line that begins with a dash")
		return nil
	}
	return n.Content
}

// untagged refuses YAML tags of the writer's own, which would say what a
// value is against what the language says.
func (p *parser) untagged(n *yaml.Node, path string) bool {
	if n.Style&yaml.TaggedStyle != 0 {
		p.fault(n, path, "YAML tags ("+n.Tag+") are not part of the language", "remove the tag")
		return false
	}
	return true
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "nothing"
	default:
		return quote(n.Value)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// quoteKey shows a key; odd ones in quotes.
func quoteKey(s string) string {
	if nameForm.MatchString(s) {
		return s
	}
	return quote(s)
}

// firstSentence is the first sentence of a doc, to go on with after a bracket.
func firstSentence(doc string) string {
	first, _, _ := strings.Cut(strings.TrimSuffix(doc, "."), ". ")
	if first == "" {
		return "it is required"
	}
	return strings.ToLower(first[:1]) + first[1:]
}
