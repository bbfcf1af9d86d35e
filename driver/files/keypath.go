package files

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A step leads from a mapping to what stands beneath a key, or from a list to
// one of its elements.
type step struct {
	key   string
	index int // of an element; -1 where key counts
}

// A keyPath leads from the root of a document to a value. It is written
// servers[0].port; a key that holds one of . [ ] " ' stands in quotes:
// metadata.labels."app.kubernetes.io/name".
type keyPath []step

// parseKey reads a path.
func parseKey(text string) (keyPath, error) {
	var out keyPath
	rest := text
	for first := true; rest != ""; first = false {
		switch {
		case rest[0] == '[':
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.ParseUint(number, 10, 31)
			if !ok || err != nil {
				return nil, fmt.Errorf("%s: [ is followed by the number of an element and ], counted from 0", text)
			}
			out, rest = append(out, step{index: int(n)}), after //nolint:gosec // it has 31 bits
		case !first && rest[0] != '.':
			return nil, fmt.Errorf("%s: a dot is missing before %s", text, rest)
		default:
			if !first {
				rest = rest[1:]
			}
			key, after, err := oneKey(rest)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", text, err)
			}
			out, rest = append(out, step{key, -1}), after
		}
	}
	if len(out) == 0 {
		return nil, errors.New("a key is empty")
	}
	return out, nil
}

func oneKey(text string) (key, rest string, err error) {
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		var b strings.Builder
		for i := 1; i < len(text); i++ {
			switch c := text[i]; {
			case c == text[0]:
				return b.String(), text[i+1:], nil
			case c == '\\' && i+1 < len(text):
				i++
				b.WriteByte(text[i])
			default:
				b.WriteByte(c)
			}
		}
		return "", "", fmt.Errorf("a quote is not closed: %s", text)
	}
	end := strings.IndexAny(text, `.[]"'`)
	if end < 0 {
		end = len(text)
	}
	key = text[:end]
	switch {
	case key == "":
		return "", "", errors.New("a key between dots is empty")
	case strings.TrimSpace(key) != key || end < len(text) && text[end] == ']':
		return "", "", fmt.Errorf("the key %q needs quotes", key)
	}
	return key, text[end:], nil
}

// String is the one way in which Segue writes the path.
func (p keyPath) String() string {
	var b strings.Builder
	for i, s := range p {
		if s.index >= 0 {
			fmt.Fprintf(&b, "[%d]", s.index)
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		if s.key == "" || strings.ContainsAny(s.key, `.[]"'\`) || strings.TrimSpace(s.key) != s.key {
			b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.key) + `"`)
		} else {
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// covers reports whether q is p, or leads into what p leads to.
func (p keyPath) covers(q keyPath) bool {
	return len(p) <= len(q) && slices.Equal(p, q[:len(p)])
}

func (p keyPath) last() step { return p[len(p)-1] }
