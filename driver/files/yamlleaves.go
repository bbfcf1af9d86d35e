package files

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

func (d *yamlDoc) leaves(k keyPath) []leaf {
	s, err := d.find(k, false)
	if err != nil || len(s.missing) > 0 {
		return nil
	}
	return d.leavesOf(s.node(), d.indentHere(s), nil, nil)
}

func (d *yamlDoc) leavesOf(n *yaml.Node, indent int, in []string, out []leaf) []leaf {
	switch n.Kind {
	case yaml.ScalarNode:
		at := d.begin(n)
		if end, err := d.end(n, indent); err == nil && end > at {
			out = append(out, leaf{at, end, slices.Clone(in), d.style(n, at, end), scalar(n)})
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			out = d.leavesOf(c, d.indentOf(n), append(in, strconv.Itoa(i)), out)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = d.leavesOf(n.Content[i+1], n.Content[i].Column-1, append(in, n.Content[i].Value), out)
		}
	}
	return out
}
