package state

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Change is one field that differs between two faces. From or To is nil where
// that side does not have the field.
type Change struct {
	Resource string          `json:"resource"`
	Field    string          `json:"field"`
	From     json.RawMessage `json:"from,omitempty"`
	To       json.RawMessage `json:"to,omitempty"`
}

// Diff lists the fields that differ, ordered by resource and field.
func Diff(from, to Face) []Change {
	var out []Change
	for id, fields := range from {
		for name, v := range fields {
			if w := to[id][name]; !same(v, w) {
				out = append(out, Change{id, name, v, w})
			}
		}
	}
	for id, fields := range to {
		for name, w := range fields {
			if _, ok := from[id][name]; !ok {
				out = append(out, Change{id, name, nil, w})
			}
		}
	}
	slices.SortFunc(out, func(a, b Change) int {
		if c := strings.Compare(a.Resource, b.Resource); c != 0 {
			return c
		}
		return strings.Compare(a.Field, b.Field)
	})
	return out
}

// Drift lists the fields of found that are not what left says, among those
// that both have: a field that nobody left is nobody's drift.
func Drift(left, found Face) []Change {
	common := make(Face, len(found))
	for id, fields := range found {
		for name := range fields {
			v, ok := left[id][name]
			if !ok {
				continue
			}
			if common[id] == nil {
				common[id] = Fields{}
			}
			common[id][name] = v
		}
	}
	var out []Change
	for _, c := range Diff(common, found) {
		if c.From != nil {
			out = append(out, c)
		}
	}
	return out
}

func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	return bytes.Equal(canonical(a), canonical(b))
}

func canonical(raw json.RawMessage) []byte {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}

// Name is the short name of a canonical identity: its last two parts, such as
// "stream AA_DLQ" of "nats:C1/$G/stream/AA_DLQ". People read names; only
// machines compare identities.
func Name(resource string) string {
	parts := strings.Split(resource, "/")
	if len(parts) < 2 {
		return resource
	}
	return strings.Join(parts[len(parts)-2:], " ")
}

func (c Change) String() string {
	return Name(c.Resource) + " " + c.Field + ": " + Text(c.From) + " → " + Text(c.To)
}

// Text is a field's value for people.
func Text(raw json.RawMessage) string {
	if raw == nil {
		return "(none)"
	}
	if bytes.Contains(raw, []byte(sealedKey)) {
		return "(sealed)"
	}
	// Subjects end in ">", which encoding/json writes as \u003e.
	return unescape.Replace(string(raw))
}

var unescape = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")
