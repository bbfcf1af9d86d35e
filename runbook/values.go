package runbook

import (
	"maps"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Values are what the operator gives a runbook's inputs. A later file wins
// over an earlier one, and Set over all files.
type Values struct {
	// Set holds the --set pairs, each "name=value". A list is a,b,c or ["a", "b"].
	Set []string
	// Files holds the --values files, each a mapping of input names to values.
	Files []ValuesFile
	// Samples lets required inputs stay without a value: a sample of their
	// type stands in, and what depends on it is not judged. Only lint uses it;
	// such a runbook must not be run.
	Samples bool
}

// A ValuesFile is the text of a --values file, with its name for errors.
type ValuesFile struct {
	Name string
	Text []byte
}

// readValues gives the inputs what the operator set.
func (p *parser) readValues(vals Values) {
	for _, f := range vals.Files {
		fp := *p
		fp.file = f.Name
		fp.readFile(f.Text)
	}
	seen := map[string]bool{}
	for _, pair := range vals.Set {
		sp := *p
		sp.file = "--set " + pair
		name, text, ok := strings.Cut(pair, "=")
		if !ok {
			sp.report.add(Error{Pos: Pos{File: sp.file}, Problem: "this is not name=value", Remedy: "write --set name=value"})
			continue
		}
		sp.set(name, text, seen)
	}
}

func (p *parser) readFile(text []byte) {
	root := p.document(text, "the values file", "write `name: value` lines")
	if root == nil {
		return
	}
	m, ok := p.mapping(root, "", "a values file")
	if !ok {
		return
	}
	for _, name := range m.order {
		if in := p.settable(m.keys[name], name); in != nil {
			p.give(in, m.vals[name], name, name)
		}
	}
}

// set gives an input the text of a --set pair.
func (p *parser) set(name, text string, seen map[string]bool) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	in := p.settable(n, name)
	if in == nil {
		return
	}
	if seen[name] {
		p.fault(n, name, name+" is set twice", "keep one of them")
		return
	}
	seen[name] = true
	if in.Type == List {
		n = p.setList(n, name, text)
	}
	if n != nil {
		p.give(in, n, name, name)
	}
}

// setList makes a list of a,b,c or of a YAML list.
func (p *parser) setList(n *yaml.Node, name, text string) *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if strings.HasPrefix(text, "[") {
		n := p.document([]byte(text), "the list", "write a,b,c")
		if n != nil {
			unplace(n, 0)
		}
		return n
	}
	for word := range strings.SplitSeq(text, ",") {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(word)})
	}
	return list
}

// unplace forgets positions, which mean nothing on a command line.
func unplace(n *yaml.Node, depth int) {
	if n.Line, n.Column = 0, 0; depth > maxDepth {
		return
	}
	for _, c := range n.Content {
		unplace(c, depth+1)
	}
}

// settable finds the input that a value is for.
func (p *parser) settable(n *yaml.Node, name string) *Input {
	in, ok := p.inputs[name]
	if ok {
		if p.bad[name] && in.Value == nil {
			return nil // its declaration is wrong; one error is enough
		}
		return in
	}
	if !p.broken["inputs"] {
		remedy := "the runbook declares no inputs"
		if len(p.inputs) > 0 {
			remedy = p.hints.remedy(name, maps.Keys(p.inputs), "see the runbook's inputs")
		}
		p.fault(n, name, "the runbook has no input "+quoteKey(name), remedy)
	}
	return nil
}

// Settings are the runbook's inputs as --set pairs: with them, the same text
// parses to the same runbook. A run pins them.
func (r *Runbook) Settings() []string {
	var out []string
	for _, in := range r.Inputs {
		if in.Value != nil {
			out = append(out, in.Name+"="+in.Text)
		}
	}
	return out
}
