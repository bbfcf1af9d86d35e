package files

import (
	"bytes"

	"go.yaml.in/yaml/v4"
)

func (d *yamlDoc) unset(k keyPath) ([]splice, error) {
	s, err := d.find(k, false)
	if err != nil || len(s.missing) > 0 {
		return nil, err
	}
	if err := d.changeable(s, k); err != nil {
		return nil, err
	}
	if s.key() == nil {
		return nil, d.refusef(s.node(), "set the whole list", "an element cannot be taken out of a list: those behind it would move up")
	}
	end, err := d.end(s.node(), d.indentHere(s))
	if err != nil {
		return nil, err
	}
	begin := d.offset(s.key())
	parent, i := s.parent(), 0
	for parent.Content[i] != s.key() {
		i += 2
	}
	switch {
	case len(parent.Content) == 2:
		return d.unsetOnly(s, begin, end)
	case parent.Style&yaml.FlowStyle != 0:
		return d.unsetInFlow(parent, i, begin, end)
	}
	stop := nextLine(d.src, end)
	start := lineStart(d.src, begin)
	if len(bytes.TrimSpace(d.src[start:begin])) > 0 { // "- key: value": the next moves up to the dash
		return []splice{{begin, blank(d.src, stop), ""}}, nil
	}
	if stop == len(d.src) && !bytes.HasSuffix(d.src, []byte("\n")) { // no line end at the end, as before
		start = lineEndBefore(d.src, start)
	}
	return []splice{{start, stop, ""}}, nil
}

// lineEndBefore is where the line before ends that one which begins at start.
func lineEndBefore(src []byte, start int) int {
	start = max(start-1, 0)
	if start > 0 && src[start-1] == '\r' {
		start--
	}
	return start
}

// unsetOnly leaves a mapping without keys.
func (d *yamlDoc) unsetOnly(s spot, begin, end int) ([]splice, error) {
	if parent := s.parent(); parent.Style&yaml.FlowStyle != 0 {
		if comma := d.comma(end, len(d.src)); comma > 0 && d.has(d.begin(parent), '{') {
			end = comma
		}
		return []splice{{begin, end, ""}}, nil
	}
	above := spot{s.way[:len(s.way)-1], s.keys[:len(s.keys)-1], nil}
	if len(bytes.TrimSpace(d.src[end:lineEnd(d.src, end)])) > 0 { // a comment stays, on its line
		return []splice{{begin, end, "{}"}}, nil
	}
	return d.inline(above, begin, end, "{}")
}

// unsetInFlow takes out the entry i, with one comma.
func (d *yamlDoc) unsetInFlow(parent *yaml.Node, i, begin, end int) ([]splice, error) {
	close, err := d.end(parent, -1)
	if err != nil {
		return nil, err
	}
	comma := d.comma(end, close)
	start, stop := lineStart(d.src, begin), nextLine(d.src, max(end, comma))
	line := d.src[max(end, comma):lineEnd(d.src, max(end, comma))]
	alone := len(bytes.TrimSpace(d.src[start:begin])) == 0 && (len(bytes.TrimSpace(line)) == 0 || bytes.HasPrefix(bytes.TrimSpace(line), []byte("#"))) &&
		lineStart(d.src, end) == lineStart(d.src, max(end, comma)) && stop < close
	last := i == len(parent.Content)-2
	if last && comma == 0 {
		// The comma behind the one before goes too.
		before, err := d.end(parent.Content[i-1], -1)
		if err != nil {
			return nil, err
		}
		if !alone {
			return []splice{{before, end, ""}}, nil
		}
		behind := d.comma(before, begin)
		return []splice{{behind - 1, behind, ""}, {start, stop, ""}}, nil
	}
	if alone {
		return []splice{{start, stop, ""}}, nil
	}
	if last {
		before, err := d.end(parent.Content[i-1], -1)
		return []splice{{before, end, ""}}, err
	}
	return []splice{{begin, d.offset(parent.Content[i+2]), ""}}, nil
}

func (d *yamlDoc) before(k keyPath) string {
	s, err := d.find(k, false)
	if err != nil || len(s.missing) > 0 || s.key() == nil {
		return ""
	}
	last := ""
	for i, n := 0, s.parent(); n.Content[i] != s.key(); i += 2 {
		last = n.Content[i].Value
	}
	return last
}

func (d *yamlDoc) putBack(k keyPath, after, text string) ([]splice, error) {
	s, err := d.find(k, false)
	if err != nil {
		return nil, err
	}
	if len(s.missing) != 1 || len(s.way) == 0 || s.node().Kind != yaml.MappingNode || !d.blockCollection(s.node()) {
		return nil, d.refusef(&yaml.Node{}, "set it", "the lines of %s have no place", k)
	}
	if err := d.changeable(s, k); err != nil {
		return nil, err
	}
	n := s.node()
	if after == "" {
		at := lineStart(d.src, d.offset(n))
		return []splice{{at, at, text}}, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != after {
			continue
		}
		end, err := d.end(n.Content[i+1], d.indentOf(n))
		at := nextLine(d.src, end)
		return []splice{{at, at, text}}, err
	}
	return nil, d.refusef(n, "set it", "the key %s, behind which %s stood, is gone", after, k)
}
