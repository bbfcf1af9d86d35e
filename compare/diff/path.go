package diff

import (
	"fmt"
	"strings"
)

// A segment is one step of a path into JSON.
type segment struct {
	name string // of a member; "" for the others
	is   segmentKind
}

type segmentKind byte

const (
	member  segmentKind = iota // .name, ["name"]
	item                       // [*]: any item of an array
	any1                       // *: any member
	anyDeep                    // **: any number of members and items
)

// parsePath reads a path: robots[*].status, [*].id, metadata["a.b"], **.trace_id,
// and "." for the whole answer.
func parsePath(text string) ([]segment, error) {
	var out []segment
	rest := text
	if text == "." {
		return nil, nil
	}
	for first := true; rest != "" || first; first = false {
		switch {
		case strings.HasPrefix(rest, "[*]"):
			out, rest = append(out, segment{is: item}), rest[3:]
		case strings.HasPrefix(rest, `["`):
			end := strings.Index(rest, `"]`)
			if end < 3 {
				return nil, fmt.Errorf("path %q: a name in brackets does not end", text)
			}
			out, rest = append(out, segment{name: rest[2:end]}), rest[end+2:]
		default:
			if !first {
				if !strings.HasPrefix(rest, ".") {
					return nil, fmt.Errorf("path %q: %q was not understood", text, rest)
				}
				rest = rest[1:]
			}
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			name := rest[:end]
			rest = rest[end:]
			switch {
			case name == "" || strings.HasPrefix(rest, "[") && !strings.HasPrefix(rest, "[*]") && !strings.HasPrefix(rest, `["`):
				return nil, fmt.Errorf("path %q: write it like robots[*].status", text)
			case name == "*":
				out = append(out, segment{is: any1})
			case name == "**":
				out = append(out, segment{is: anyDeep})
			default:
				out = append(out, segment{name: name})
			}
		}
	}
	return out, nil
}

// fits reports whether a pattern is that of a path, which has members and items
// only.
func fits(pattern, path []segment) bool {
	for len(pattern) > 0 {
		if pattern[0].is == anyDeep {
			for skip := range len(path) + 1 {
				if fits(pattern[1:], path[skip:]) {
					return true
				}
			}
			return false
		}
		if len(path) == 0 {
			return false
		}
		switch p, s := pattern[0], path[0]; {
		case p.is == any1 && s.is == member, p == s:
		default:
			return false
		}
		pattern, path = pattern[1:], path[1:]
	}
	return len(path) == 0
}

// plain reports whether a name needs no quotes in a path.
func plain(name string) bool { return name != "" && !strings.ContainsAny(name, ".[]\"*# ") }

// join adds a member to the text of a path.
func join(path, name string) string {
	switch {
	case !plain(name):
		return path + `["` + name + `"]`
	case path == "":
		return name
	}
	return path + "." + name
}
