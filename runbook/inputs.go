package runbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readInputs declares the inputs and gives them their values: --set before
// --values before the default.
func (p *parser) readInputs(n *yaml.Node, vals Values) []Input {
	var order []*Input
	if n != nil {
		m, ok := p.mapping(n, "inputs", "inputs")
		if !ok {
			p.broken["inputs"] = true
			return nil
		}
		for _, name := range m.order {
			in := &Input{Name: name, Pos: p.pos(m.keys[name])}
			p.inputs[name] = in
			order = append(order, in)
			p.declare(in, m.keys[name], m.vals[name])
		}
	}
	p.readValues(vals)
	out := make([]Input, len(order))
	for _, in := range order {
		if in.Value == nil && in.Required && !p.bad[in.Name] && !vals.Samples {
			p.report.add(Error{
				in.Pos, "inputs." + in.Name, fmt.Sprintf("the input %s has no value", in.Name),
				fmt.Sprintf("set it with --set %s=… or in a --values file; it is %s", in.Name, article(in.Type)),
			})
		}
	}
	for i, in := range order {
		out[i] = *in
	}
	return out
}

// declare reads one input's declaration and its default.
func (p *parser) declare(in *Input, k, n *yaml.Node) {
	path := "inputs." + in.Name
	if wholeInput.FindString("$"+in.Name) == "" || len(in.Name) > maxName {
		p.fault(k, path, quote(in.Name)+" cannot be the name of an input", "use lower-case letters, digits and hyphens, beginning with a letter")
	}
	in.Type = String
	m, ok := p.open(n, inputSection, path, nil)
	if !ok {
		p.bad[in.Name] = true
		return
	}
	if t, ok := m.value("type"); ok {
		in.Type = Type(t.(string))
	} else {
		p.bad[in.Name] = true
	}
	in.Doc = m.text("doc")
	in.Required = !m.has("default")
	if p.bad[in.Name] {
		return
	}
	if e := m.vals["enum"]; e != nil {
		for i, c := range p.sequence(e, path+".enum", "enum") {
			if _, text, ok := p.literal(c, in.elem(), fmt.Sprintf("%s.enum[%d]", path, i), "enum"); ok {
				in.Enum = append(in.Enum, text)
			}
		}
	}
	if d := m.vals["default"]; d != nil {
		if wholeInput.MatchString(deref(d).Value) && deref(d).Kind == yaml.ScalarNode {
			p.fault(d, path+".default", "a default cannot be another input", "write a value")
			p.bad[in.Name] = true
			return
		}
		p.give(in, d, path+".default", "default")
	}
}

// elem is the type of what an enum lists.
func (in *Input) elem() Type {
	if in.Type == List {
		return String
	}
	return in.Type
}

// give sets an input to a node's value.
func (p *parser) give(in *Input, n *yaml.Node, path, what string) {
	v, text, ok := p.literal(n, in.Type, path, what)
	if !ok {
		p.bad[in.Name] = true
		return
	}
	if len(in.Enum) > 0 {
		texts := []string{text}
		if list, isList := v.([]any); isList {
			texts = texts[:0]
			for _, e := range list {
				texts = append(texts, e.(string))
			}
		}
		for _, t := range texts {
			if !slices.Contains(in.Enum, t) {
				p.fault(n, path, fmt.Sprintf("%s cannot be %s", in.Name, quote(t)), p.hints.oneOf(t, in.Enum))
				p.bad[in.Name] = true
				return
			}
		}
	}
	in.Value, in.Text = v, text
}

const maxInput = 64 << 10 // bytes of one input's text

// literal decodes an input's value, in which nothing is filled in.
func (p *parser) literal(n *yaml.Node, t Type, path, what string) (v any, text string, ok bool) {
	n = deref(n)
	if !p.spend(n, path, nodeWork+len(n.Value)) || !p.untagged(n, path) {
		return nil, "", false
	}
	if t == List {
		if n.Kind != yaml.SequenceNode {
			p.fault(n, path, fmt.Sprintf("%s is a list, not %s", what, describe(n)), "write a list, as in [a, b]")
			return nil, "", false
		}
		out := make([]any, 0, len(n.Content))
		for i, c := range n.Content {
			e, _, ok := p.literal(c, String, fmt.Sprintf("%s[%d]", path, i), what)
			if !ok {
				return nil, "", false
			}
			out = append(out, e)
		}
		return out, listText(out), true
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.fault(n, path, fmt.Sprintf("%s is %s, not %s", what, article(t), describe(n)), "write "+example(Field{Type: t}))
		return nil, "", false
	}
	v, ok = p.literalText(n, t, n.Value, path, what)
	return v, n.Value, ok
}

func (p *parser) literalText(n *yaml.Node, t Type, text, path, what string) (any, bool) {
	if len(text) > maxInput {
		p.fault(n, path, fmt.Sprintf("%s has %d bytes", what, len(text)), fmt.Sprintf("an input may have %d at most", maxInput))
		return nil, false
	}
	if strings.Contains(text, "${") {
		p.fault(n, path, "an input cannot refer to the environment or to another input", "write ${NAME} in the parameter that needs it, or pass the value itself")
		return nil, false
	}
	v, err := scalarOf(t, text)
	var form *formError
	if errors.As(err, &form) {
		p.fault(n, path, what+": "+form.problem, form.remedy)
		return nil, false
	}
	return v, true
}

// listText writes a list so that --set reads it back.
func listText(list []any) string {
	words := make([]string, len(list))
	simple := len(list) > 0
	for i, e := range list {
		words[i] = e.(string)
		simple = simple && words[i] != "" && !strings.ContainsAny(words[i], ",[]\"\n") && strings.TrimSpace(words[i]) == words[i]
	}
	if simple {
		return strings.Join(words, ",")
	}
	text, err := json.Marshal(words)
	if err != nil {
		return strings.Join(words, ",")
	}
	return string(text)
}

// text is the input's value as text; a sample of it when it has none.
func (in *Input) text() string {
	if in.Value != nil {
		return in.Text
	}
	if len(in.Enum) > 0 {
		return in.Enum[0]
	}
	switch in.Type {
	case Int, Number:
		return "1"
	case Bool:
		return "true"
	case Duration:
		return "1m"
	case Size:
		return "1MiB"
	case Percentage:
		return "1%"
	default:
		return "sample"
	}
}

// sample stands in for an input that lint does not know.
func (in *Input) sample() any {
	if in.Type == List {
		return []any{in.text()}
	}
	v, err := scalarOf(in.Type, in.text())
	if err != nil {
		return in.text()
	}
	return v
}

// fromInput makes an input's value a field's.
func (p *parser) fromInput(n *yaml.Node, f Field, in *Input, path string) (v any, sampled, ok bool) {
	v, sampled = in.Value, in.Value == nil
	if p.bad[in.Name] {
		return nil, true, false
	}
	if sampled {
		v = in.sample()
	}
	switch {
	case f.Type == Any:
		switch v.(type) {
		case string, int64, float64, bool, []any:
			return v, sampled, true
		}
		return in.text(), sampled, true
	case f.Type == List && in.Type == List:
		elem := elemField(f)
		out := make([]any, 0, len(v.([]any)))
		for _, e := range v.([]any) {
			if !p.spend(n, path, nodeWork+len(e.(string))) {
				return nil, sampled, false
			}
			if elem.Type == Any {
				out = append(out, e)
				continue
			}
			w, ok := p.scalar(n, elem, e.(string), path, sampled)
			if !ok {
				return nil, sampled, false
			}
			out = append(out, w)
		}
		return out, sampled, true
	case f.Type == Number && in.Type == Int:
		return float64(v.(int64)), sampled, true
	case f.Type == in.Type && f.Type != String:
		return v, sampled, true
	case in.Type == String && isWord(f.Type):
		v, ok := p.scalar(n, f, v.(string), path, sampled)
		return v, sampled, ok
	}
	remedy := fmt.Sprintf("declare the input as %s", f.Type)
	switch {
	case f.Type == String && in.Type != List:
		remedy = "write \"${" + in.Name + "}\" for its text"
	case f.Type == List && in.Type != List:
		remedy = "write [$" + in.Name + "]"
	case f.Type == ConnRef || f.Type == CheckRef || f.Type == Expression:
		remedy = "declare the input as string"
	}
	p.fault(n, path, fmt.Sprintf("%s is %s, but the input %s is %s", f.Name, article(f.Type), in.Name, article(in.Type)), remedy)
	return nil, sampled, false
}

// isWord says whether a type's values are plain strings.
func isWord(t Type) bool {
	return t == String || t == ConnRef || t == CheckRef || t == Expression
}
