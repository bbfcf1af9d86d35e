package robot

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Metadata is a JSON object that nobody here looks into; nil where there is none.
type Metadata []byte

// MarshalJSON gives it as it is.
func (m Metadata) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("null"), nil
	}
	return m, nil
}

// UnmarshalJSON takes null for none.
func (m *Metadata) UnmarshalJSON(raw []byte) error {
	*m = nil
	if string(raw) != "null" {
		*m = slices.Clone(raw)
	}
	return nil
}

// normalize checks it and brings it into the form in which it is kept.
func (m *Metadata) normalize() error {
	if len(*m) == 0 {
		return nil
	}
	if !utf8.Valid(*m) {
		return invalid("metadata", "is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(*m))
	dec.UseNumber() // 9007199254740993 stays what it is
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		return invalid("metadata", "must be an object: %v", err)
	}
	*m = nil
	if v == nil {
		return nil
	}
	if hasNUL(v) {
		return invalid("metadata", "holds a NUL character, which nothing can store")
	}
	raw, err := json.Marshal(v) // an unpaired surrogate is U+FFFD from here on
	if err != nil {
		return invalid("metadata", "must be an object: %v", err)
	}
	*m = raw
	return nil
}

func hasNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		return slices.ContainsFunc(v, hasNUL)
	case map[string]any:
		for key, value := range v {
			if hasNUL(key) || hasNUL(value) {
				return true
			}
		}
	}
	return false
}
