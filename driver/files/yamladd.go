package files

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// add writes a key that is missing, and what is missing above it, at the end
// of what there is.
func (d *yamlDoc) add(s spot, v any) ([]splice, error) {
	for _, step := range s.missing {
		if step.index >= 0 {
			at := d.root
			if len(s.way) > 0 {
				at = s.node()
			}
			if at == nil {
				at = &yaml.Node{}
			}
			return nil, d.refusef(at, "set the whole list", "there is no list that has the element [%d]", step.index)
		}
	}
	if len(s.way) == 0 || len(s.way) == 1 && s.node().Kind == yaml.ScalarNode {
		return d.addToNothing(s, v)
	}
	n := s.node()
	switch {
	case n.Kind == yaml.ScalarNode:
		return d.addToNull(s, v)
	case n.Style&yaml.FlowStyle != 0:
		return d.addInFlow(s, v)
	}
	indent := d.indentOf(n)
	end, err := d.end(n, indent)
	if err != nil {
		return nil, err
	}
	end = lineEnd(d.src, end)
	return []splice{{end, end, d.entry(s.missing, v, end, indent)}}, nil
}

// entry is a line (with its line end before it) that has a key and its value,
// or several where parents are missing too.
func (d *yamlDoc) entry(missing keyPath, v any, at, indent int) string {
	nl := newline(d.src, at)
	var b strings.Builder
	for i, s := range missing {
		b.WriteString(nl + strings.Repeat(" ", indent) + surroundings{}.key(s.key) + ":")
		indent += d.deeper()
		if i == len(missing)-1 {
			b.WriteString(" " + surroundings{}.text(v, ""))
		}
	}
	return b.String()
}

// deeper is by how much the document indents.
func (d *yamlDoc) deeper() int {
	const usual = 2
	if d.root == nil || d.root.Kind != yaml.MappingNode {
		return usual
	}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		k, v := d.root.Content[i], d.root.Content[i+1]
		if v.Kind == yaml.MappingNode && d.blockCollection(v) && len(v.Content) > 0 && v.Content[0].Column > k.Column {
			return v.Content[0].Column - k.Column
		}
	}
	return usual
}

// addToNothing: there is no document, or an empty one, to which the file's
// end belongs.
func (d *yamlDoc) addToNothing(s spot, v any) ([]splice, error) {
	if d.root != nil && (d.at < len(d.all)-1 || d.begin(d.root) < len(bytes.TrimRight(d.src, " \t\r\n")) || bytes.HasSuffix(bytes.TrimRight(d.src, " \t\r\n"), []byte("..."))) {
		return nil, d.refusef(d.root, "write a mapping there first", "the document is empty, and it does not end the file")
	}
	at := len(d.src)
	text := d.entry(s.missing, v, at, 0)
	if nl := newline(d.src, at); at == 0 || bytes.HasSuffix(d.src, []byte("\n")) {
		text = strings.TrimPrefix(text, nl) + nl
	}
	return []splice{{at, at, text}}, nil
}

// addToNull makes a mapping of a key without a value.
func (d *yamlDoc) addToNull(s spot, v any) ([]splice, error) {
	n, w := s.node(), d.around(s)
	begin := d.begin(n)
	end, err := d.end(n, d.indentHere(s))
	if err != nil {
		return nil, err
	}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return nil, d.refusef(n, "write a mapping there first", "this null has an anchor or a tag")
	}
	if w.flow || s.key() == nil {
		text := w.text(chain(s.missing, v), "")
		if begin == end {
			return d.fill(begin, n, text)
		}
		return []splice{{begin, end, text}}, nil
	}
	colon, err := d.colon(s.key())
	if err != nil {
		return nil, err
	}
	line := lineEnd(d.src, end)
	out := []splice{{line, line, d.entry(s.missing, v, line, s.key().Column-1+d.deeper())}}
	if begin != end {
		out = append(out, splice{colon, end, ""})
	}
	return out, nil
}

// chain is a value in the mappings that are missing above it.
func chain(missing keyPath, v any) any {
	for _, s := range slices.Backward(missing) {
		v = map[string]any{s.key: v}
	}
	return v
}

// addInFlow writes behind the last entry between brackets; on a line of its
// own if that one has.
func (d *yamlDoc) addInFlow(s spot, v any) ([]splice, error) {
	n := s.node()
	begin := d.begin(n)
	close, err := d.end(n, -1)
	if err != nil {
		return nil, err
	}
	if !d.has(begin, '{') {
		return nil, d.refusef(n, "write it in brackets", "a key cannot be added to a mapping without brackets")
	}
	w := d.around(spot{way: append(s.way[:len(s.way):len(s.way)], nil)})
	entry := w.key(s.missing[0].key) + ": " + w.text(chain(s.missing[1:], v), "")
	if len(n.Content) == 0 {
		return []splice{{begin + 1, begin + 1, entry}}, nil
	}
	last := n.Content[len(n.Content)-2]
	end, err := d.end(n.Content[len(n.Content)-1], -1)
	if err != nil {
		return nil, err
	}
	at := d.offset(last)
	comma := d.comma(end, close)
	if len(bytes.TrimSpace(d.src[lineStart(d.src, at):at])) > 0 || bytes.IndexByte(d.src[end:close], '\n') < 0 {
		if comma > 0 {
			return []splice{{comma, comma, " " + entry}}, nil
		}
		return []splice{{end, end, ", " + entry}}, nil
	}
	line := lineEnd(d.src, end)
	text := newline(d.src, at) + string(d.src[lineStart(d.src, at):at]) + entry
	if comma > 0 {
		line = lineEnd(d.src, comma)
		return []splice{{line, line, text + ","}}, nil
	}
	return []splice{{end, end, ","}, {line, line, text}}, nil
}

// comma is where a comma ends that follows before the bracket; 0 if none.
func (d *yamlDoc) comma(i, close int) int {
	for i < close {
		switch c := d.src[i]; {
		case c == ',':
			return i + 1
		case c == '#':
			i = lineEnd(d.src, i)
		case isSpace(c):
			i++
		default:
			return 0
		}
	}
	return 0
}
