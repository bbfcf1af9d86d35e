// Package state is what an action reads of the world: only the fields it owns,
// normalised, keyed by the canonical identity of the resource that has them.
//
// A State has two faces. The sealed face is the State itself; fields may hold
// a [Secret]. The public face ([State.Face]) has a keyed digest in place of
// each secret, so two faces of one run can be compared without showing
// anything; only faces reach the journal.
package state

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
)

// Fields are a resource's owned fields, each as compact JSON. A field that is
// absent is not owned.
type Fields map[string]json.RawMessage

// State maps a resource's canonical identity to its owned fields.
type State map[string]Fields

// Face is a State without secrets. It is what the journal keeps.
type Face map[string]Fields

// Of returns the State of one resource. Fields is a struct (or map) whose
// JSON form is the owned fields; a field left out by omitempty is not owned.
// It panics if fields has no JSON object form, which is a programming error.
func Of(resource string, fields any) State {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(fmt.Sprintf("state: fields of %s: %v", resource, err))
	}
	var f Fields
	if err := json.Unmarshal(raw, &f); err != nil {
		panic(fmt.Sprintf("state: fields of %s are not an object: %v", resource, err))
	}
	return State{resource: f}
}

// Decode fills fields (a pointer to a struct) from what s holds of resource.
// It reports whether s holds the resource at all.
func (s State) Decode(resource string, fields any) (bool, error) {
	f, ok := s[resource]
	if !ok {
		return false, nil
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return true, fmt.Errorf("decode state of %s: %w", resource, err)
	}
	if err := json.Unmarshal(raw, fields); err != nil {
		return true, fmt.Errorf("decode state of %s: %w", resource, err)
	}
	return true, nil
}

// With returns s with over laid over it, field by field. Neither is changed.
func (s State) With(over State) State { return overlay(s, over) }

// With returns f with over laid over it, field by field. Neither is changed.
func (f Face) With(over Face) Face { return overlay(f, over) }

func overlay[M ~map[string]Fields](base, over M) M {
	out := make(M, len(base)+len(over))
	for _, m := range []M{base, over} {
		for id, fields := range m {
			merged := maps.Clone(out[id])
			if merged == nil {
				merged = make(Fields, len(fields))
			}
			maps.Copy(merged, fields)
			out[id] = merged
		}
	}
	return out
}

// Equal reports whether both faces own the same fields with the same values.
func (f Face) Equal(g Face) bool { return len(Diff(f, g)) == 0 }

// Secret is a field's value that must never be seen: it marshals to a form
// that [State.Face] replaces by a digest, and prints as "[secret]".
type Secret string

const (
	secretKey = "$secret" // the value itself; only in a sealed face
	sealedKey = "$sealed" // its keyed digest; in a public face
)

func (Secret) String() string   { return "[secret]" }
func (Secret) GoString() string { return "[secret]" }

// MarshalJSON gives the sealed form.
func (s Secret) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{secretKey: string(s)})
}

// UnmarshalJSON takes the sealed form back. A public face's digest is
// refused: what restoring needs is not in it.
func (s *Secret) UnmarshalJSON(raw []byte) error {
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	v, ok := m[secretKey]
	if !ok {
		return fmt.Errorf("secret: only its digest is here; the sealed face is needed")
	}
	*s = Secret(v)
	return nil
}

// Face returns the public face: each secret is replaced by its HMAC-SHA256
// under key. The second result reports whether there was any secret, that is,
// whether the sealed face must be kept too.
func (s State) Face(key []byte) (Face, bool) {
	out := make(Face, len(s))
	sealed := false
	for id, fields := range s {
		pub := make(Fields, len(fields))
		for name, raw := range fields {
			if bytes.Contains(raw, []byte(secretKey)) {
				dec := json.NewDecoder(bytes.NewReader(raw))
				dec.UseNumber() // large numbers beside a secret stay what they are
				var v any
				if dec.Decode(&v) == nil {
					if red, hit := redact(v, key); hit {
						sealed = true
						raw, _ = json.Marshal(red) //nolint:errchkjson // plain JSON values
					}
				}
			}
			pub[name] = raw
		}
		out[id] = pub
	}
	return out, sealed
}

func redact(v any, key []byte) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if secret, ok := v[secretKey].(string); ok && len(v) == 1 {
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(secret))
			return map[string]any{sealedKey: hex.EncodeToString(mac.Sum(nil))[:32]}, true
		}
		hit := false
		for k, e := range v {
			r, h := redact(e, key)
			v[k], hit = r, hit || h
		}
		return v, hit
	case []any:
		hit := false
		for i, e := range v {
			r, h := redact(e, key)
			v[i], hit = r, hit || h
		}
		return v, hit
	}
	return v, false
}

// Secrets lists every secret value in s, for a redactor to learn.
func (s State) Secrets() []string {
	var out []string
	for _, fields := range s {
		for _, raw := range fields {
			if !bytes.Contains(raw, []byte(secretKey)) {
				continue
			}
			var v any
			if json.Unmarshal(raw, &v) == nil {
				out = collect(v, out)
			}
		}
	}
	return out
}

func collect(v any, out []string) []string {
	switch v := v.(type) {
	case map[string]any:
		if secret, ok := v[secretKey].(string); ok && len(v) == 1 {
			return append(out, secret)
		}
		for _, e := range v {
			out = collect(e, out)
		}
	case []any:
		for _, e := range v {
			out = collect(e, out)
		}
	}
	return out
}

// Unsealed returns the face as a State. It is whole only if the state had no
// secrets; otherwise decoding a secret field from it fails.
func (f Face) Unsealed() State { return State(f) }
