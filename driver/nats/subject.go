package nats

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/segue-run/segue/runbook"
)

// closedSubject stands for "no subjects": JetStream would silently put the
// stream's own name in place of an empty list.
func closedSubject(stream string) string { return "_segue.closed." + stream }

// privately: the subject is Segue's own, to close a stream or for a relay, and
// nobody else publishes to it.
func privately(subject string) bool { return strings.HasPrefix(subject, "_segue.") }

// subjectsOf reads a stream's subjects as a set, empty if it is closed. What a
// relay needs is left out.
func subjectsOf(cfg config) []string {
	var list []string
	if raw, ok := cfg["subjects"]; ok {
		_ = json.Unmarshal(raw, &list)
	}
	list = sorted(list)
	return slices.DeleteFunc(list, privately)
}

// putSubjects writes a set of subjects; the empty one closes the stream. The
// server's order is kept for those that stay, and what a relay needs stays.
func putSubjects(stream string, cfg config, set []string) {
	if len(set) == 0 {
		set = []string{closedSubject(stream)}
	}
	var list []string
	if raw, ok := cfg["subjects"]; ok {
		_ = json.Unmarshal(raw, &list)
	}
	closed := closedSubject(stream)
	list = slices.DeleteFunc(list, func(s string) bool {
		return !slices.Contains(set, s) && (s == closed || !privately(s))
	})
	for _, s := range set {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	cfg["subjects"] = compact(list)
}

// union and minus are set operations on subjects, literally.
func union(a, b []string) []string { return sorted(append(slices.Clone(a), b...)) }

func minus(a, b []string) []string {
	return slices.DeleteFunc(sorted(a), func(s string) bool { return slices.Contains(b, s) })
}

func common(a, b []string) []string {
	return slices.DeleteFunc(sorted(a), func(s string) bool { return !slices.Contains(b, s) })
}

// collide reports whether some subject matches both patterns.
func collide(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; ; i++ {
		switch {
		case i == len(as) || i == len(bs):
			return len(as) == len(bs)
		case as[i] == ">" || bs[i] == ">":
			return true
		case as[i] != bs[i] && as[i] != "*" && bs[i] != "*":
			return false
		}
	}
}

// covers reports whether pattern a takes every subject that pattern b takes.
func covers(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; ; i++ {
		switch {
		case i == len(as) || i == len(bs):
			return len(as) == len(bs)
		case as[i] == ">":
			return true
		case bs[i] == ">" || as[i] != "*" && as[i] != bs[i]:
			return false
		}
	}
}

// overlapping lists the pairs of a and b that collide.
func overlapping(a, b []string) (of, with []string) {
	for _, x := range a {
		for _, y := range b {
			if collide(x, y) {
				of, with = append(of, x), append(with, y)
			}
		}
	}
	return sorted(of), sorted(with)
}

// concrete is a subject that pattern takes, marked so that who sees it knows
// what it is. A pattern without wildcards is itself.
func concrete(pattern string) string {
	parts := strings.Split(pattern, ".")
	for i, p := range parts {
		if p == "*" || p == ">" {
			parts[i] = "_segue_fence"
		}
	}
	return strings.Join(parts, ".")
}

// validSubject reports whether JetStream would take s as a stream's subject
// or a filter.
func validSubject(s string) bool {
	if s == "" || strings.ContainsAny(s, " \t\r\n\f") {
		return false
	}
	parts := strings.Split(s, ".")
	for i, p := range parts {
		if p == "" || p == ">" && i < len(parts)-1 {
			return false
		}
	}
	return true
}

// validStream refuses what cannot be a stream's name; field is the parameter.
func validStream(field, name string) error {
	if name == "" || strings.ContainsAny(name, " \t\r\n\f.*>/\\") {
		return &runbook.FieldError{Field: field, Problem: "\"" + name + "\" is not a stream's name", Remedy: "write it without spaces, dots, wildcards and slashes, such as ORDERS"}
	}
	return nil
}

func quoted(set []string) string { return strings.Join(set, ", ") }
