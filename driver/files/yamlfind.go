package files

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// A spot is how far a path leads into a document.
type spot struct {
	way     []*yaml.Node // the nodes on the way; the last is the value, or what lacks it
	keys    []*yaml.Node // the key of each but the first; nil for an element
	missing keyPath      // what of the path is not there
}

func (s spot) node() *yaml.Node { return s.way[len(s.way)-1] }

func (s spot) parent() *yaml.Node { return s.way[len(s.way)-2] }

func (s spot) key() *yaml.Node { return s.keys[len(s.keys)-1] }

// find goes along a path. It refuses what goes through an alias or comes by a
// merge, unless it is only to be read (through).
func (d *yamlDoc) find(k keyPath, through bool) (spot, error) {
	if d.root == nil {
		return spot{missing: k}, nil
	}
	s := spot{way: []*yaml.Node{d.root}, keys: []*yaml.Node{nil}}
	for i, step := range k {
		at := s.node()
		if at.Kind == yaml.AliasNode {
			if !through {
				return s, d.refusef(at, "change it there, or write the value out here", "%s stands for what is written as &%s elsewhere, where a change would show too", pathTo(k[:i]), at.Value)
			}
			at = at.Alias
		}
		key, value, err := d.child(at, step, k[:i], through)
		if err != nil {
			return s, err
		}
		if value == nil {
			s.missing = k[i:]
			return s, nil
		}
		s.way, s.keys = append(s.way, value), append(s.keys, key)
	}
	return s, nil
}

func pathTo(k keyPath) string {
	if len(k) == 0 {
		return "the document"
	}
	return k.String()
}

// child is what a step leads to; nil if it is not there and could be.
func (d *yamlDoc) child(at *yaml.Node, s step, from keyPath, through bool) (key, value *yaml.Node, err error) {
	if s.index >= 0 {
		switch {
		case at.Kind != yaml.SequenceNode:
			return nil, nil, d.refusef(at, "write a path to what is there", "%s is %s, not a list", pathTo(from), kindOf(at))
		case s.index >= len(at.Content):
			return nil, nil, d.refusef(at, "elements are counted from 0; set the whole list to have another", "%s has no element %d, it has %d", pathTo(from), s.index, len(at.Content))
		}
		return nil, at.Content[s.index], nil
	}
	switch {
	case at.Kind == yaml.ScalarNode && at.ShortTag() == "!!null":
		return nil, nil, nil
	case at.Kind != yaml.MappingNode:
		return nil, nil, d.refusef(at, "write a path to what is there", "%s is %s, not a mapping", pathTo(from), kindOf(at))
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(at.Content); i += 2 {
		k := at.Content[i]
		switch {
		case k.ShortTag() == "!!merge":
			if v := mergedIn(at.Content[i+1], s.key, maxDepth); v != nil {
				if merged != nil && !through {
					return nil, nil, d.refusef(k, "keep one of them", "%s has two merges (<<)", pathTo(from))
				}
				merged = v
			}
		case k.Kind != yaml.ScalarNode || k.Value != s.key:
		case value != nil:
			return nil, nil, d.refusef(k, "keep one of them", "%s is given twice, first on line %d", append(from[:len(from):len(from)], s), key.Line)
		default:
			key, value = k, at.Content[i+1]
		}
	}
	if value == nil && merged != nil {
		if through {
			return nil, merged, nil
		}
		return nil, nil, d.refusef(at, "change it where it is merged from, or write the key out here first", "%s comes by a merge (<<)", append(from[:len(from):len(from)], s))
	}
	return key, value, nil
}

// mergedIn is a key's value in what is merged.
func mergedIn(from *yaml.Node, key string, depth int) *yaml.Node {
	if depth == 0 {
		return nil
	}
	switch from.Kind {
	case yaml.AliasNode:
		return mergedIn(from.Alias, key, depth-1)
	case yaml.SequenceNode:
		for _, c := range from.Content {
			if v := mergedIn(c, key, depth-1); v != nil {
				return v
			}
		}
	case yaml.MappingNode:
		var below *yaml.Node
		for i := 0; i+1 < len(from.Content); i += 2 {
			k := from.Content[i]
			if k.Kind == yaml.ScalarNode && k.Value == key && k.ShortTag() != "!!merge" {
				return from.Content[i+1]
			}
			if k.ShortTag() == "!!merge" && below == nil {
				below = mergedIn(from.Content[i+1], key, depth-1)
			}
		}
		return below
	}
	return nil
}

func (d *yamlDoc) get(k keyPath) (any, bool, error) {
	s, err := d.find(k, false)
	if err != nil || len(s.missing) > 0 {
		return nil, false, err
	}
	if n := s.node(); n.Kind == yaml.AliasNode {
		return nil, false, d.refusef(n, "change it there, or write the value out here", "%s stands for what is written as &%s elsewhere, where a change would show too", k, n.Value)
	}
	v, err := d.value(s.node())
	return v, err == nil, err
}

func (d *yamlDoc) look(k keyPath) (any, bool, error) {
	s, err := d.find(k, true)
	if err != nil || len(s.missing) > 0 {
		return nil, false, err
	}
	v, err := d.value(s.node())
	return v, err == nil, err
}

// most bounds what one value may hold, aliases followed.
const most = 100_000

func (d *yamlDoc) value(n *yaml.Node) (any, error) {
	left := most
	return d.valueOf(n, &left, 0)
}

func (d *yamlDoc) valueOf(n *yaml.Node, left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth > 2*maxDepth {
		return nil, d.refusef(n, "write a path to a part of it", "the value is too large")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return d.valueOf(n.Alias, left, depth+1)
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, c := range n.Content {
			var err error
			if out[i], err = d.valueOf(c, left, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if _, twice := out[k.Value]; twice || k.Kind != yaml.ScalarNode {
				return nil, d.refusef(k, "write a path to a part of the mapping", "a key is given twice, or is no word")
			}
			var err error
			if out[k.Value], err = d.valueOf(n.Content[i+1], left, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return scalar(n), nil
}

// scalar is a scalar's value.
func scalar(n *yaml.Node) any {
	switch tag := n.ShortTag(); tag {
	case "!!str":
		return n.Value
	case "!!null":
		return nil
	case "!!bool":
		if b, err := strconv.ParseBool(n.Value); err == nil {
			return b
		}
	case "!!int":
		var v any
		if n.Decode(&v) == nil {
			text := fmt.Sprint(v)
			if _, ok := new(big.Int).SetString(text, 10); ok {
				return json.Number(text)
			}
		}
	case "!!float":
		var v float64
		if n.Decode(&v) == nil && v-v == 0 { // neither infinite nor NaN
			return fraction(v)
		}
	}
	return tagged{n.ShortTag(), n.Value}
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a text"
	case "!!null":
		return "null"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "a " + n.ShortTag()
}
