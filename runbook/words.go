package runbook

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// knownCheck reports a check that does not exist.
func (p *parser) knownCheck(n *yaml.Node, name, path string) bool {
	if _, ok := p.checks[name]; ok || p.broken["checks"] {
		p.used["checks."+name] = true
		return true
	}
	p.fault(n, path, "no check is called "+quoteKey(name), p.hints.remedy(name, maps.Keys(p.checks), "declare it under checks"))
	return false
}

// knownConn reports a connection that does not exist.
func (p *parser) knownConn(n *yaml.Node, name, path string) bool {
	if _, ok := p.conns[name]; ok || p.broken["connections"] {
		p.used["connections."+name] = true
		return true
	}
	p.fault(n, path, "no connection is called "+quoteKey(name), p.hints.remedy(name, maps.Keys(p.conns), "declare it under connections"))
	return false
}

// oneOf says which of a few words was meant.
func (s *suggester) oneOf(wrong string, enum []string) string {
	if near := s.nearest(wrong, slices.Values(enum)); near != "" {
		return "did you mean " + near + "?"
	}
	return "write " + orList(enum)
}

func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// article names a type with its article.
func article(t Type) string {
	switch t {
	case Int:
		return "a whole number"
	case Expression:
		return "an expression"
	case Bool:
		return "true or false"
	case String:
		return "text"
	case ConnRef:
		return "the name of a connection"
	case CheckRef:
		return "the name of a check"
	case List:
		return "a list"
	case Map, Place:
		return "a mapping"
	default:
		return "a " + string(t)
	}
}

// example shows how a field's value is written.
func example(f Field) string {
	if len(f.Enum) > 0 && f.Type == String {
		return orList(f.Enum)
	}
	switch f.Type {
	case Int:
		return "a whole number, as in 3"
	case Number:
		return "a number, as in 0.25"
	case Bool:
		return "true or false"
	case Duration:
		return "a duration, as in 90s or 15m"
	case Size:
		return "a size, as in 512KiB"
	case Percentage:
		return "a percentage, as in 10%"
	case List:
		return "a list, as in [a, b]"
	case Map, Place:
		return "a mapping, as in {a: b}"
	case Expression:
		return "an expression in quotes"
	case ConnRef:
		return "the name of a connection"
	case CheckRef:
		return "the name of a check"
	default:
		return "text"
	}
}
