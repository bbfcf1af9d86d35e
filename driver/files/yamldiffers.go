package files

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// A differing is where two documents differ that should not.
type differing struct{ where, why string }

func (e *differing) Error() string {
	return fmt.Sprintf("%s would differ too (%s)", e.where, e.why)
}

func (d *yamlDoc) differs(now document, except []keyPath) error {
	to, ok := now.(*yamlDoc)
	if !ok || max(len(d.all), 1) != max(len(to.all), 1) {
		return &differing{"the number of documents", fmt.Sprintf("%d", len(d.all))}
	}
	for i := range max(len(d.all), 1) {
		var excepted []keyPath
		if i == d.at {
			excepted = except
		}
		if err := alike(rootOf(d, i), rootOf(to, i), nil, excepted); err != nil {
			return err
		}
	}
	return nil
}

func rootOf(d *yamlDoc, i int) *yaml.Node {
	if i >= len(d.all) {
		return nil
	}
	return d.all[i].Content[0]
}

// alike compares nodes. except are paths from here on that may differ; for
// their sake a mapping may come to be, or lose its last key.
func alike(a, b *yaml.Node, at keyPath, except []keyPath) error {
	for _, e := range except {
		if len(e) == 0 {
			return nil
		}
	}
	if len(except) > 0 && hollow(a) {
		a = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	if len(except) > 0 && hollow(b) {
		b = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	switch {
	case a == nil && b == nil:
		return nil
	case a == nil || b == nil:
		return &differing{pathTo(at), "it is only in one"}
	case a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Anchor != b.Anchor || a.Value != b.Value && a.Kind != yaml.DocumentNode:
		return &differing{pathTo(at), kindOf(a) + ", then " + kindOf(b)}
	}
	switch a.Kind {
	case yaml.SequenceNode:
		if len(a.Content) != len(b.Content) {
			return &differing{pathTo(at), "its length"}
		}
		for i := range a.Content {
			s := step{index: i}
			if err := alike(a.Content[i], b.Content[i], append(at[:len(at):len(at)], s), beneath(except, s)); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		return alikeMappings(a, b, at, except)
	}
	return nil
}

// hollow: what a key can be added to as if it were a mapping without keys.
func hollow(n *yaml.Node) bool {
	return n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && n.Anchor == ""
}

func beneath(except []keyPath, s step) []keyPath {
	var out []keyPath
	for _, e := range except {
		if len(e) > 0 && e[0] == s {
			out = append(out, e[1:])
		}
	}
	return out
}

// alikeMappings compares entry by entry, in order, so that keys given twice
// are compared too.
func alikeMappings(a, b *yaml.Node, at keyPath, except []keyPath) error {
	i, j := 0, 0
	for i < len(a.Content) || j < len(b.Content) {
		ka, kb := nameAt(a, i), nameAt(b, j)
		switch {
		case ka != "" && ka == kb:
			if err := alike(a.Content[i], b.Content[j], at, nil); err != nil {
				return err
			}
			s := step{a.Content[i].Value, -1}
			if err := alike(a.Content[i+1], b.Content[j+1], append(at[:len(at):len(at)], s), beneath(except, s)); err != nil {
				return err
			}
			i, j = i+2, j+2
		case ka != "" && mayBeAlone(a, i, at, except):
			i += 2
		case kb != "" && mayBeAlone(b, j, at, except):
			j += 2
		default:
			name := ka
			if name == "" {
				name = kb
			}
			return &differing{pathTo(at), "its keys, at " + name}
		}
	}
	return nil
}

// nameAt tells keys apart, by type and value; "" is behind the last.
func nameAt(n *yaml.Node, i int) string {
	if i >= len(n.Content) {
		return ""
	}
	k := n.Content[i]
	return strconv.Itoa(int(k.Kind)) + k.ShortTag() + " " + k.Value
}

// mayBeAlone: an entry that only one side has holds nothing but exceptions.
func mayBeAlone(n *yaml.Node, i int, at keyPath, except []keyPath) bool {
	s := step{n.Content[i].Value, -1}
	rest := beneath(except, s)
	return len(rest) > 0 && alike(n.Content[i+1], nil, append(at[:len(at):len(at)], s), rest) == nil
}
