package files

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The parser tells where a node begins, and not where it ends. What follows
// works that out; whatever comes of it is checked by reading the result again.

// begin is where a node's own text begins: behind its anchor and tag.
func (d *yamlDoc) begin(n *yaml.Node) int {
	i := d.offset(n)
	if n.Kind == yaml.AliasNode {
		return i
	}
	for i < len(d.src) && (d.src[i] == '&' && n.Anchor != "" || d.src[i] == '!') {
		for i < len(d.src) && !isSpace(d.src[i]) {
			i++
		}
		i = blank(d.src, i)
	}
	if d.blockCollection(n) && len(n.Content) > 0 && n.Kind == yaml.MappingNode {
		return d.offset(n.Content[0])
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (d *yamlDoc) blockCollection(n *yaml.Node) bool {
	return (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Style&yaml.FlowStyle == 0
}

// end is where a node's text ends. indent is the column, counted from 0, of
// the key or the dash that it belongs to; -1 for the root.
func (d *yamlDoc) end(n *yaml.Node, indent int) (int, error) {
	i := d.begin(n)
	switch {
	case n.Kind == yaml.AliasNode:
		return i + 1 + len(n.Value), nil
	case d.blockCollection(n):
		if len(n.Content) == 0 {
			return i, nil
		}
		return d.end(n.Content[len(n.Content)-1], d.indentOf(n))
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		return d.endOfFlow(n, i)
	case n.Style&yaml.DoubleQuotedStyle != 0 && d.has(i, '"'):
		for j := i + 1; j < len(d.src); j++ {
			switch d.src[j] {
			case '\\':
				j++
			case '"':
				return j + 1, nil
			}
		}
	case n.Style&yaml.SingleQuotedStyle != 0 && d.has(i, '\''):
		for j := i + 1; j < len(d.src); j++ {
			if d.src[j] != '\'' {
				continue
			}
			if !d.has(j+1, '\'') {
				return j + 1, nil
			}
			j++
		}
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.endOfBlock(i, indent), nil
	default:
		if j, ok := d.endOfPlain(n.Value, i); ok {
			return j, nil
		}
	}
	return 0, d.refusef(n, "write it on one line", "where this value ends cannot be told")
}

func (d *yamlDoc) has(i int, c byte) bool { return i < len(d.src) && d.src[i] == c }

// indentOf is the column of a block collection's keys or dashes.
func (d *yamlDoc) indentOf(n *yaml.Node) int {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		return n.Content[0].Column - 1
	}
	i := d.begin(n)
	return utf8.RuneCount(d.src[lineStart(d.src, i):i])
}

// endOfPlain goes along a value as it was understood: lines were folded.
func (d *yamlDoc) endOfPlain(value string, i int) (int, bool) {
	for rest := value; rest != ""; {
		if i >= len(d.src) {
			return 0, false
		}
		if c := rest[0]; c != ' ' && c != '\n' {
			if d.src[i] != c {
				return 0, false
			}
			rest, i = rest[1:], i+1
			continue
		}
		j, breaks := i, 0
		for j < len(d.src) && isSpace(d.src[j]) {
			if d.src[j] == '\n' {
				breaks++
			}
			j++
		}
		text := string(d.src[i:j])
		switch {
		case breaks == 1:
			text = " "
		case breaks > 1:
			text = strings.Repeat("\n", breaks-1)
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, text); !ok || text == "" {
			return 0, false
		}
		i = j
	}
	return i, true
}

// endOfBlock is where the last line of a literal or folded text ends.
func (d *yamlDoc) endOfBlock(i, indent int) int {
	header := strings.TrimSpace(string(d.src[i:lineEnd(d.src, i)]))
	if c := strings.Index(header, " #"); c >= 0 {
		header = header[:c]
	}
	least := 0 // of spaces before its lines; 0 while unknown
	if n := strings.IndexAny(header, "123456789"); n >= 0 {
		least = max(indent, 0) + int(header[n]-'0')
	}
	end := lineEnd(d.src, i)
	for at := nextLine(d.src, i); at < len(d.src); at = nextLine(d.src, at) {
		stop := lineEnd(d.src, at)
		line := d.src[at:stop]
		spaces := len(line) - len(bytes.TrimLeft(line, " "))
		if spaces == len(line) {
			if strings.Contains(header, "+") || least > 0 && spaces > least {
				end = stop
			}
			continue
		}
		if least == 0 && spaces > indent {
			least = max(spaces, 1)
			if indent < 0 {
				least = spaces
			}
		}
		if spaces <= indent || spaces < least {
			break
		}
		end = stop
	}
	return end
}

// endOfFlow looks for the bracket behind the last of what is in it.
func (d *yamlDoc) endOfFlow(n *yaml.Node, i int) (int, error) {
	if !d.has(i, '{') && !d.has(i, '[') { // [a: 1]: a mapping without brackets
		return d.end(n.Content[len(n.Content)-1], -1)
	}
	i++
	if len(n.Content) > 0 {
		var err error
		if i, err = d.end(n.Content[len(n.Content)-1], -1); err != nil {
			return 0, err
		}
	}
	for i < len(d.src) {
		switch c := d.src[i]; {
		case c == '}' || c == ']':
			return i + 1, nil
		case c == '#':
			i = lineEnd(d.src, i)
		case isSpace(c) || c == ',':
			i++
		default:
			return 0, d.refusef(n, "write it as a block", "where this value ends cannot be told")
		}
	}
	return 0, d.refusef(n, "write it as a block", "where this value ends cannot be told")
}

// colon is where the colon behind a key ends.
func (d *yamlDoc) colon(key *yaml.Node) (int, error) {
	end, err := d.end(key, -1)
	if err != nil {
		return 0, err
	}
	for end < len(d.src) && isSpace(d.src[end]) {
		end++
	}
	if !d.has(end, ':') {
		return 0, d.refusef(key, "write it as key: value", "no colon follows the key")
	}
	return end + 1, nil
}

// indentHere is the indentation for end of what a spot holds.
func (d *yamlDoc) indentHere(s spot) int {
	switch {
	case len(s.way) == 1:
		return -1
	case s.key() != nil:
		return s.key().Column - 1
	}
	return d.indentOf(s.parent())
}
