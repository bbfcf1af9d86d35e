package files

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// changeable refuses what cannot be changed without changing something else.
func (d *yamlDoc) changeable(s spot, k keyPath) error {
	for i, n := range s.way {
		if n.Kind == yaml.AliasNode {
			return d.refusef(n, "change it there, or write the value out here", "%s stands for what is written as &%s elsewhere, where a change would show too", pathTo(k[:i]), n.Value)
		}
		if alias := d.aliased[n]; alias != nil {
			return d.refusef(alias, "write the value out here first", "*%s stands for %s, so a change would show here too", alias.Value, pathTo(k[:i]))
		}
	}
	if len(s.missing) > 0 {
		return nil
	}
	n := s.node()
	if n.Style&yaml.TaggedStyle != 0 {
		return d.refusef(n, "change it by hand", "%s has the tag %s, which says how its value is read", k, n.Tag)
	}
	return d.unreferenced(n)
}

// unreferenced refuses to take out what an alias needs.
func (d *yamlDoc) unreferenced(n *yaml.Node) error {
	for _, c := range n.Content {
		if alias := d.aliased[c]; alias != nil {
			return d.refusef(alias, "write the value out here first", "*%s stands for a part of what is to be changed", alias.Value)
		}
		if err := d.unreferenced(c); err != nil {
			return err
		}
	}
	return nil
}

func (d *yamlDoc) set(k keyPath, v any) ([]splice, error) {
	s, err := d.find(k, false)
	if err != nil {
		return nil, err
	}
	if err := d.changeable(s, k); err != nil {
		return nil, err
	}
	if len(s.missing) > 0 {
		return d.add(s, v)
	}
	n := s.node()
	begin := d.begin(n)
	end, err := d.end(n, d.indentHere(s))
	if err != nil {
		return nil, err
	}
	w := d.around(s)
	if begin == end && n.Kind == yaml.ScalarNode { // nothing is written there
		return d.fill(begin, n, w.text(v, ""))
	}
	if !d.blockCollection(n) {
		was := ""
		if n.Kind == yaml.ScalarNode {
			was = d.style(n, begin, end)
		}
		return []splice{{begin, end, w.text(v, was)}}, nil
	}
	if text, ok := d.block(v, n); ok {
		return []splice{{begin, end, text}}, nil
	}
	return d.inline(s, begin, end, w.text(v, ""))
}

// fill writes a value where there is none: behind a colon or a dash.
func (d *yamlDoc) fill(at int, n *yaml.Node, text string) ([]splice, error) {
	at = len(bytes.TrimRight(d.src[:at], " \t"))
	if at == 0 || d.src[at-1] != ':' && d.src[at-1] != '-' || n.Anchor != "" {
		return nil, d.refusef(n, "write null there first", "there is nothing to replace")
	}
	return []splice{{at, at, " " + text}}, nil
}

// block writes a list or mapping of scalars over lines, as the one before was.
func (d *yamlDoc) block(v any, n *yaml.Node) (string, bool) {
	begin := d.begin(n)
	nl := newline(d.src, begin) + strings.Repeat(" ", d.indentOf(n))
	var lines []string
	switch v := v.(type) {
	case []any:
		if n.Kind != yaml.SequenceNode {
			return "", false
		}
		for _, e := range v {
			lines = append(lines, "- "+surroundings{}.text(e, ""))
		}
	case map[string]any:
		if n.Kind != yaml.MappingNode {
			return "", false
		}
		// Keys that stay keep their order.
		for _, k := range orderLike(v, n) {
			lines = append(lines, surroundings{}.key(k)+": "+surroundings{}.text(v[k], ""))
		}
	}
	return strings.Join(lines, nl), len(lines) > 0
}

func orderLike(v map[string]any, n *yaml.Node) []string {
	var out []string
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i].Value; !seen[k] {
			if _, ok := v[k]; ok {
				out = append(out, k)
			}
			seen[k] = true
		}
	}
	for _, k := range sortedKeys(v) {
		if !seen[k] {
			out = append(out, k)
		}
	}
	return out
}

// inline puts text on the line of its key in place of a block beneath it.
func (d *yamlDoc) inline(s spot, begin, end int, text string) ([]splice, error) {
	if len(s.way) > 1 && s.key() != nil {
		colon, err := d.colon(s.key())
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(d.src[colon:begin])) == 0 {
			return []splice{{colon, end, " " + text}}, nil
		}
	}
	return []splice{{begin, end, text}}, nil
}

// around looks at what a value stands in.
func (d *yamlDoc) around(s spot) surroundings {
	var w surroundings
	for _, n := range s.way[:len(s.way)-1] {
		if n.Style&yaml.FlowStyle == 0 {
			continue
		}
		w.flow = true
		w.json = w.json || inQuotes(n)
	}
	return w
}

// inQuotes reports whether all keys of a mapping stand in double quotes.
func inQuotes(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Style&yaml.DoubleQuotedStyle == 0 {
			return false
		}
	}
	return n.Kind == yaml.MappingNode && len(n.Content) > 0
}
