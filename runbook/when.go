package runbook

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A LeftOut is a part of the text that is not in the runbook, as its `when`
// does not match the inputs.
type LeftOut struct {
	What string `json:"what"` // "phase core", "step core/scale-blue-down", "check b"
	Path string `json:"path"` // phases[1].steps[3]
	Why  string `json:"why"`  // "deployment is rolling, not blue-green"
	Pos  Pos    `json:"pos"`
}

// whenKey is the key of all parts that may be there for some inputs only.
func whenKey(what string) key {
	return partKey("when", what+" is there only when these inputs have these values: a mapping of inputs to a value, or to a list of values of which one must be. All must match.", formWhen, nil)
}

// unmet is a `when` that does not match.
type unmet struct {
	why  string // deployment is rolling, not blue-green
	when string // {deployment: blue-green}
}

// absent reads a part's `when` and says whether the part is left out. What is
// left out is read and checked like all else, between absent and [parser.back],
// and may refer to other things that are left out.
func (p *parser) absent(m *mapping) bool {
	u := p.unmet(m)
	if u == nil {
		return false
	}
	p.away = append(p.away, *u)
	return true
}

// back is the end of a part that is left out.
func (p *parser) back(m *mapping, what string) {
	u := p.away[len(p.away)-1]
	if p.away = p.away[:len(p.away)-1]; len(p.away) == 0 {
		p.left = append(p.left, LeftOut{What: what, Path: m.path, Why: u.why, Pos: m.pos()})
	}
}

// skips is absent and back for parts that refer to nothing that can be left out.
func (p *parser) skips(m *mapping, what string) bool {
	if !p.absent(m) {
		return false
	}
	p.back(m, what)
	return true
}

// goes remembers that a part is left out, if it is, for those that refer to it.
func (p *parser) goes(class, name string) {
	if len(p.away) > 0 && name != "" {
		p.gone[class+" "+name] = p.away[0]
	}
}

// stays reports what refers to a part that is left out. It is no error within
// a part that is left out itself.
func (p *parser) stays(n *yaml.Node, path, class, name string) {
	u, gone := p.gone[class+" "+name]
	if !gone || len(p.away) > 0 {
		return
	}
	p.fault(n, path, fmt.Sprintf("the %s %s is left out: %s", class, name, u.why), fmt.Sprintf("leave this out too, with `when: %s`, or remove it", u.when))
}

// unmet reads a `when`; nil when it matches or there is none. One that is
// wrong, or asks for an input that has no value yet, is taken to match.
func (p *parser) unmet(m *mapping) *unmet {
	n := m.vals["when"]
	if n == nil {
		return nil
	}
	path := m.at("when")
	c, ok := p.mapping(n, path, "when")
	if !ok {
		return nil
	}
	if len(c.order) == 0 {
		p.fault(c.node, path, "when is empty", "write `when: {input: value}`, or leave the key out")
		return nil
	}
	var whys, text []string
	for _, name := range c.order {
		says, met := p.condition(c, name)
		text = append(text, name+": "+says)
		if !met {
			whys = append(whys, fmt.Sprintf("%s is %s, not %s", name, shown(p.inputs[name].Text), says))
		}
	}
	if len(whys) == 0 {
		return nil
	}
	return &unmet{why: strings.Join(whys, ", "), when: "{" + strings.Join(text, ", ") + "}"}
}

// condition looks at one input of a `when`: what it asks for, as it would be
// written, and whether the input is so.
func (p *parser) condition(c *mapping, name string) (says string, met bool) {
	path := c.at(name)
	in := p.whenInput(c, name)
	if in == nil {
		return "", true
	}
	nodes := []*yaml.Node{deref(c.vals[name])}
	isList := nodes[0].Kind == yaml.SequenceNode
	if isList {
		if nodes = p.sequence(c.vals[name], path, name); len(nodes) == 0 {
			p.fault(c.vals[name], path, "the list of values is empty: this is never there", "write the values for which it is, or remove it")
			return "", true
		}
	}
	var words []string
	var values []any
	for i, n := range nodes {
		at := path
		if isList {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		v, text, ok := p.wanted(in, n, at)
		switch {
		case !ok:
			return "", true
		case slices.Contains(values, v):
			p.fault(n, at, shown(text)+" is listed twice", "keep one of them")
			return "", true
		}
		values, words = append(values, v), append(words, shown(text))
	}
	says = strings.Join(words, ", ")
	if len(words) > 1 {
		says = "[" + says + "]"
	}
	return says, p.has(in, values)
}

// whenInput finds the input that a `when` asks for; nil when it cannot be judged.
func (p *parser) whenInput(c *mapping, name string) *Input {
	in, ok := p.inputs[name]
	if !ok {
		if !p.broken["inputs"] {
			remedy := "declare it under inputs"
			if len(p.inputs) > 0 {
				remedy = p.hints.remedy(name, inputNames(p.inputs), remedy)
			}
			p.fault(c.keys[name], c.at(name), "when asks for an input, and none is called "+quoteKey(name), remedy)
		}
		return nil
	}
	p.used["inputs."+name] = true
	if p.bad[name] {
		return nil // its declaration or value is wrong; one error is enough
	}
	return in
}

// wanted reads a value that an input is to have, which must be one that it can
// have.
func (p *parser) wanted(in *Input, n *yaml.Node, path string) (v any, text string, ok bool) {
	if d := deref(n); d.Kind == yaml.ScalarNode && strings.Contains(d.Value, "$") && wholeInput.MatchString(d.Value) {
		p.fault(n, path, "when compares with values, and "+d.Value+" is an input", "write a value")
		return nil, "", false
	}
	v, text, ok = p.literal(n, in.elem(), path, in.Name)
	if !ok || len(in.Enum) == 0 {
		return v, text, ok
	}
	for _, e := range in.Enum {
		if w, err := scalarOf(in.elem(), e); err == nil && w == v {
			return v, text, true
		}
	}
	p.fault(n, path, fmt.Sprintf("%s is never %s", in.Name, quote(text)), p.hints.oneOf(text, in.Enum))
	return nil, "", false
}

// has reports whether the input has one of the values; a list, whether one of
// them is in it. An input that lint does not know may have any.
func (p *parser) has(in *Input, values []any) bool {
	if in.Value == nil {
		p.guessed = true
		return true
	}
	if list, ok := in.Value.([]any); ok {
		return slices.ContainsFunc(list, func(e any) bool { return slices.Contains(values, e) })
	}
	return slices.Contains(values, in.Value)
}

// shown is a value as it would be written.
func shown(text string) string {
	if text == "" || strings.ContainsAny(text, " \t\n,[]{}:#\"'") {
		return quote(text)
	}
	return text
}

func inputNames(inputs map[string]*Input) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name := range inputs {
			if !yield(name) {
				return
			}
		}
	}
}
