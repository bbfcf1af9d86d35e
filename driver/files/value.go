package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/secret"
	"github.com/segue-run/segue/state"
)

// A value is nil (YAML's null), a bool, a string, a [json.Number] (with a point
// or an exponent if it is a fraction), a [tagged], a []any or a map[string]any.

// tagged is a scalar that JSON has no type for: a date, .nan, what has a tag
// of its own.
type tagged struct{ tag, text string }

// plain turns what a parameter holds into a value.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case float64:
		return fraction(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	}
	return v
}

// fraction is a number that shows that it is one.
func fraction(v float64) json.Number {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	mantissa, exponent, scientific := strings.Cut(text, "e")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0" // 1e6 is a text for those who keep to YAML 1.1
	}
	if scientific {
		mantissa += "e" + exponent
	}
	return json.Number(mantissa)
}

// sealer says which values are secret, whatever the file.
type sealer struct {
	declared []keyPath
}

// encode is a value as the state has it. null stands for no value at all, so
// YAML's null is written otherwise.
func (s sealer) encode(k keyPath, v any) json.RawMessage {
	names := make([]string, len(k))
	for i, step := range k {
		names[i] = step.key
	}
	declared := slices.ContainsFunc(s.declared, func(d keyPath) bool { return d.covers(k) })
	raw, err := json.Marshal(seal(names, declared, v))
	if err != nil {
		panic(fmt.Sprintf("files: the value of %s has no JSON form: %v", k, err))
	}
	return raw
}

func seal(names []string, declared bool, v any) any {
	hide := declared || isSecret(names)
	switch v := v.(type) {
	case nil:
		return map[string]any{"!!null": ""}
	case string:
		if hide || hasCredentials(v) {
			return state.Secret(v)
		}
		return v
	case json.Number:
		if hide {
			return map[string]any{"!!number": state.Secret(v)}
		}
		return v
	case tagged:
		if hide {
			return map[string]any{v.tag: state.Secret(v.text)}
		}
		return map[string]any{v.tag: v.text}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = seal(names, declared, e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = seal(append(slices.Clip(names), k), declared, e)
		}
		if len(v) == 1 {
			for k := range v {
				if k == "" || strings.ContainsAny(k[:1], "!$") { // it looks like ours
					return map[string]any{"!!map": out}
				}
			}
		}
		return out
	}
	return v
}

// isSecret judges by the names on the way to a value.
func isSecret(names []string) bool {
	if len(names) == 0 {
		return false
	}
	for _, name := range names[:len(names)-1] {
		name = strings.ToLower(name)
		if strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.Contains(name, "credential") {
			return true
		}
	}
	return secret.Looks(names[len(names)-1])
}

// hasCredentials reports whether a text is a URL with a password or a token.
func hasCredentials(text string) bool {
	if !strings.Contains(text, "://") {
		return false
	}
	var r secret.Redactor
	r.Add(text)
	return r.Redact(text) != text
}

// decode takes a value back from the state; ok is false for none.
func decode(raw json.RawMessage) (v any, ok bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, false, fmt.Errorf("its state is no JSON: %w", err)
	}
	if out == nil {
		return nil, false, nil
	}
	v, err = unseal(out)
	return v, err == nil, err
}

func unseal(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			var err error
			if v[i], err = unseal(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if len(v) == 1 {
			for k, e := range v {
				if strings.HasPrefix(k, "!") || strings.HasPrefix(k, "$") {
					return special(k, e)
				}
			}
		}
		return unsealAll(v)
	}
	return v, nil
}

func unsealAll(m map[string]any) (any, error) {
	for k, e := range m {
		var err error
		if m[k], err = unseal(e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func special(key string, v any) (any, error) {
	switch key {
	case "!!null":
		return nil, nil
	case "!!map":
		if m, ok := v.(map[string]any); ok {
			return unsealAll(m)
		}
	case "$sealed":
		return nil, fmt.Errorf("only the digest of a secret is here; the sealed state is needed")
	case "$secret":
		if s, ok := v.(string); ok {
			return s, nil
		}
	default:
		inner, err := unseal(v)
		if text, ok := inner.(string); ok && err == nil {
			if key == "!!number" {
				return json.Number(text), nil
			}
			return tagged{key, text}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("its state has a %s that is none", key)
}

// within is what a way leads to in a value.
func within(v any, in []string) (any, bool) {
	for _, name := range in {
		switch at := v.(type) {
		case map[string]any:
			e, ok := at[name]
			if !ok {
				return nil, false
			}
			v = e
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}
