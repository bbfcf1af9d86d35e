package runbook

import (
	"maps"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

var (
	wholeInput = regexp.MustCompile(`^\$([a-z][a-z0-9_-]*)$`)
	dollars    = regexp.MustCompile(`\$\$|\$\{[^}]*\}?`)
	inputRef   = regexp.MustCompile(`^\$\{([a-z][a-z0-9_-]*)\}$`)
	envRef     = regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]*|file:[^}]+)\}`)
)

// fill puts inputs into text: ${name} becomes the input's text and $$ a
// dollar. ${NAME} and ${file:…} stay for the process that opens the live
// system; env says whether they may stand here.
func (p *parser) fill(n *yaml.Node, path string, env bool) (out string, sampled, ok bool) {
	if !strings.Contains(n.Value, "$") {
		return n.Value, false, true
	}
	ok = true
	kept := 0
	wrong := func(problem, remedy string) string {
		p.fault(n, path, problem, remedy)
		ok = false
		return ""
	}
	out = dollars.ReplaceAllStringFunc(n.Value, func(m string) string {
		if !ok {
			return ""
		}
		if m == "$$" {
			return "$"
		}
		if ref := inputRef.FindStringSubmatch(m); ref != nil {
			in := p.input(n, path, ref[1])
			if in == nil || !p.spend(n, path, len(in.text())) {
				ok = false
				return ""
			}
			sampled = sampled || in.Value == nil
			return in.text()
		}
		if loc := envRef.FindStringIndex(m); loc != nil && loc[1] == len(m) {
			if !env {
				return wrong(m+" cannot be used here", "environment and file references belong in the parameters of connections, actions and checks; use an input instead")
			}
			kept++
			return m
		}
		return wrong(quote(m)+" is neither an input nor an environment reference",
			"write ${name} in lower case for an input, ${NAME} in capitals for the environment, ${file:/path} for a file, or $$ for a dollar sign")
	})
	if ok && env && len(envRef.FindAllStringIndex(out, -1)) != kept {
		wrong("a literal ${NAME} cannot be written here: it would be read as a reference to the environment", "leave the second $ and the braces out")
	}
	return out, sampled, ok
}

// input finds an input that the text refers to, and marks it used.
func (p *parser) input(n *yaml.Node, path, name string) *Input {
	in, ok := p.inputs[name]
	if !ok {
		if !p.broken["inputs"] {
			p.fault(n, path, "no input is called "+name,
				p.hints.remedy(name, maps.Keys(p.inputs), "declare it under inputs, or write $$ for a dollar sign"))
		}
		return nil
	}
	p.used["inputs."+name] = true
	return in
}
