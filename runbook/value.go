package runbook

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// value decodes a node as a field says. env says whether ${NAME} may stay in
// text. sampled says that the value stands in for an input that lint does not
// know, so that nothing should be concluded from it.
func (p *parser) value(n *yaml.Node, f Field, path string, env bool) (v any, sampled, ok bool) {
	n = deref(n)
	if !p.spend(n, path, nodeWork+len(n.Value)) || !p.untagged(n, path) {
		return nil, false, false
	}
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" && f.Type != Any {
			p.fault(n, path, f.Name+" has no value", "write "+example(f)+", or leave the key out")
			return nil, false, false
		}
		if ref := wholeInput.FindStringSubmatch(n.Value); ref != nil {
			in := p.input(n, path, ref[1])
			if in == nil {
				return nil, false, false
			}
			return p.fromInput(n, f, in, path)
		}
	}
	switch f.Type {
	case List:
		return p.list(n, f, path, env)
	case Map:
		return p.dict(n, f, path, env)
	case Any:
		return p.plain(n, path, env, 0)
	}
	if n.Kind != yaml.ScalarNode {
		p.fault(n, path, fmt.Sprintf("%s is %s, not %s", f.Name, article(f.Type), describe(n)), "write "+example(f))
		return nil, false, false
	}
	text, sampled, ok := p.fill(n, path, env && f.Type == String)
	if !ok {
		return nil, false, false
	}
	if quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0; quoted && !strings.Contains(n.Value, "$") {
		if f.Type == Int || f.Type == Number || f.Type == Bool {
			p.fault(n, path, fmt.Sprintf("%s is %s, not the text %s", f.Name, article(f.Type), quote(text)), "write it without quotes")
			return nil, false, false
		}
	}
	v, ok = p.scalar(n, f, text, path, sampled)
	return v, sampled, ok
}

// scalar decodes text that inputs are already filled into.
func (p *parser) scalar(n *yaml.Node, f Field, text, path string, sampled bool) (v any, ok bool) {
	v, err := scalarOf(f.Type, text)
	if err != nil {
		var form *formError
		if errors.As(err, &form) {
			p.fault(n, path, f.Name+": "+form.problem, form.remedy)
		} else {
			p.fault(n, path, f.Name+": "+err.Error(), "write "+example(f))
		}
		return nil, false
	}
	if sampled {
		return v, true
	}
	switch f.Type {
	case CheckRef:
		return v, p.knownCheck(n, text, path)
	case ConnRef:
		return v, p.knownConn(n, text, path)
	case Expression:
		return v, p.expression(n, f, text, path)
	case String:
		if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
			p.fault(n, path, fmt.Sprintf("%s cannot be %s", f.Name, quote(text)), p.hints.oneOf(text, f.Enum))
			return nil, false
		}
	}
	return v, true
}

// scalarOf turns text into the Go value of a type.
func scalarOf(t Type, text string) (any, error) {
	switch t {
	case Int:
		return parseInt(text)
	case Number:
		return parseNumber(text)
	case Bool:
		return parseBool(text)
	case Duration:
		return ParseDuration(text)
	case Size:
		return ParseSize(text)
	case Percentage:
		return ParsePercentage(text)
	default:
		return text, nil
	}
}

func (p *parser) list(n *yaml.Node, f Field, path string, env bool) (any, bool, bool) {
	if n.Kind != yaml.SequenceNode {
		p.fault(n, path, fmt.Sprintf("%s is a list, not %s", f.Name, describe(n)), "write "+example(f))
		return nil, false, false
	}
	elem := elemField(f)
	out := make([]any, 0, len(n.Content))
	sampled, good := false, true
	for i, c := range n.Content {
		v, s, ok := p.value(c, elem, fmt.Sprintf("%s[%d]", path, i), env)
		sampled, good = sampled || s, good && ok
		out = append(out, v)
	}
	if !good {
		return nil, sampled, false
	}
	return out, sampled, true
}

func (p *parser) dict(n *yaml.Node, f Field, path string, env bool) (any, bool, bool) {
	m, ok := p.mapping(n, path, f.Name)
	if !ok {
		return nil, false, false
	}
	elem := elemField(f)
	out := make(map[string]any, len(m.order))
	sampled, good := false, true
	for _, k := range m.order {
		elem.Name = f.Name + "." + k
		v, s, ok := p.value(m.vals[k], elem, join(path, k), env)
		sampled, good = sampled || s, good && ok
		out[k] = v
	}
	return out, sampled, good
}

// elemField describes the elements of a list or map.
func elemField(f Field) Field {
	elem := Field{Name: f.Name, Type: f.Elem, Enum: f.Enum, Vars: f.Vars}
	if elem.Type == "" {
		elem.Type = Any
	}
	return elem
}

// plain decodes YAML data of no particular type.
func (p *parser) plain(n *yaml.Node, path string, env bool, depth int) (any, bool, bool) {
	n = deref(n)
	if depth > maxDepth {
		p.fault(n, path, "this is nested too deep", fmt.Sprintf("nest at most %d levels", maxDepth))
		return nil, false, false
	}
	if depth > 0 && (!p.spend(n, path, nodeWork+len(n.Value)) || !p.untagged(n, path)) {
		return nil, false, false
	}
	sampled, good := false, true
	switch n.Kind {
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for i, c := range n.Content {
			v, s, ok := p.plain(c, fmt.Sprintf("%s[%d]", path, i), env, depth+1)
			sampled, good = sampled || s, good && ok
			out = append(out, v)
		}
		return out, sampled, good
	case yaml.MappingNode:
		m, ok := p.mapping(n, path, "this")
		if !ok {
			return nil, false, false
		}
		out := make(map[string]any, len(m.order))
		for _, k := range m.order {
			v, s, ok := p.plain(m.vals[k], join(path, k), env, depth+1)
			sampled, good = sampled || s, good && ok
			out[k] = v
		}
		return out, sampled, good
	}
	if ref := wholeInput.FindStringSubmatch(n.Value); ref != nil {
		in := p.input(n, path, ref[1])
		if in == nil {
			return nil, false, false
		}
		return p.fromInput(n, Field{Name: lastOf(path), Type: Any}, in, path)
	}
	var (
		v   any
		err error
	)
	switch n.Tag {
	case "!!null":
		return nil, false, true
	case "!!bool":
		v, err = parseBool(n.Value)
	case "!!int":
		v, err = parseInt(n.Value)
	case "!!float":
		v, err = parseNumber(n.Value)
	default:
		s, sampled, ok := p.fill(n, path, env)
		return s, sampled, ok
	}
	if err != nil {
		var form *formError
		if errors.As(err, &form) {
			p.fault(n, path, form.problem, "put it in quotes if it is text")
		}
		return nil, false, false
	}
	return v, false, true
}

func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
