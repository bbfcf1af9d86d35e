package runbook

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/segue-run/segue/announce"
)

// A Template is a text for people that is filled with live figures.
type Template struct {
	Name   string
	Text   string   // a Go template over announce.Facts, with inputs filled in
	Checks []string // those that it asks, in the order in which it names them
	Pos    Pos
}

// Template returns the named template.
func (r *Runbook) Template(name string) (Template, bool) {
	for _, t := range r.Templates {
		if t.Name == name {
			return t, true
		}
	}
	return Template{}, false
}

func (p *parser) readTemplates(n *yaml.Node) []Template {
	m, ok := p.mapping(n, "templates", "templates")
	if !ok {
		return nil
	}
	var out []Template
	for _, name := range m.order {
		path := join("templates", name)
		p.name(m.keys[name], path, name, "a template")
		if t, ok := p.template(deref(m.vals[name]), path, name); ok {
			t.Pos = p.pos(m.keys[name])
			out = append(out, t)
		}
	}
	return out
}

func (p *parser) template(n *yaml.Node, path, name string) (Template, bool) {
	if !p.spend(n, path, nodeWork+64*len(n.Value)) || !p.untagged(n, path) {
		return Template{}, false
	}
	remedy := "write its lines beneath `" + name + ": |`"
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		p.fault(n, path, fmt.Sprintf("the template %s is text, not %s", name, describe(n)), remedy)
		return Template{}, false
	case strings.TrimSpace(n.Value) == "":
		p.fault(n, path, "the template "+name+" has no text", remedy)
		return Template{}, false
	}
	if ref := wholeInput.FindStringSubmatch(n.Value); ref != nil { // text as it is, whatever the input's type
		whole := *n
		whole.Value = "${" + ref[1] + "}"
		n = &whole
	}
	before := len(p.report.errs)
	compiled, errs := announce.Compile(n.Value, func(text string, offset int) (string, bool) { return p.fillPart(n, path, text, offset) })
	for _, e := range errs {
		remedy := e.Remedy
		if e.Wrong != "" {
			remedy = p.hints.remedy(e.Wrong, slices.Values(e.Known), remedy)
		}
		p.faultWithin(n, path, "template", n.Value, e.Line, e.Column, e.Problem, remedy)
	}
	if compiled == nil {
		return Template{}, false
	}
	t := Template{Name: name, Text: compiled.Text}
	for _, r := range compiled.Refs {
		if p.report.full() {
			break
		}
		p.templateRef(n, path, r)
		if r.Func != "input" && !slices.Contains(t.Checks, r.Name) {
			t.Checks = append(t.Checks, r.Name)
		}
	}
	if len(p.report.errs) > before || p.broken["inputs"] || p.broken["checks"] {
		return t, true
	}
	if e := compiled.DryRun(func(name string) string { return p.inputs[name].text() }); e != nil {
		p.faultWithin(n, path, "template", n.Value, e.Line, e.Column, e.Problem, e.Remedy)
	}
	return t, true
}

// templateRef looks up an input or a check that a template names.
func (p *parser) templateRef(n *yaml.Node, path string, r announce.Ref) {
	known := maps.Keys(p.checks)
	section, what := "checks", "check"
	_, ok := p.checks[r.Name]
	if r.Func == "input" {
		section, what, known = "inputs", "input", maps.Keys(p.inputs)
		_, ok = p.inputs[r.Name]
	}
	if ok || p.broken[section] {
		p.used[section+"."+r.Name] = true
		return
	}
	p.faultWithin(n, path, "template", n.Value, r.Line, r.Column, "no "+what+" is called "+quoteKey(r.Name), p.hints.remedy(r.Name, known, "declare it under "+section))
}

// fillPart puts inputs into a part of a template's text; offset is where it
// begins in the text.
func (p *parser) fillPart(n *yaml.Node, path, text string, offset int) (string, bool) {
	var out strings.Builder
	done := 0
	for _, at := range dollars.FindAllStringIndex(text, -1) {
		if !p.spend(n, path, len(n.Value)/4) { // finding the place of each goes through the text
			return "", false
		}
		line, column := announce.Place(n.Value, offset+at[0])
		place, _ := p.within(n, n.Value, line, column)
		one := &yaml.Node{Kind: yaml.ScalarNode, Value: text[at[0]:at[1]], Line: place.Line, Column: place.Column}
		filled, _, ok := p.fill(one, path, false)
		if !ok {
			return "", false
		}
		out.WriteString(text[done:at[0]] + filled)
		done = at[1]
	}
	return out.String() + text[done:], true
}
