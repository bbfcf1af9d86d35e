package nats

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// config is a configuration as the JetStream API gives and takes it. Keys
// that this package does not know stay as they are.
type config map[string]json.RawMessage

// A setting is one thing that can be configured: its name in a runbook and in
// a state, its key in the configuration, and how the two translate.
type setting struct {
	name  string
	key   string
	form  form
	blank string // what an absent key stands for, as JSON in a state
	fixed bool   // JetStream refuses to change it, or it cannot be changed back
}

type form int

const (
	plain form = iota // the same JSON on both sides: words, counts, flags
	limit             // a count or a size; unlimited is -1, also when written as 0
	span              // nanoseconds there, "48h" here
	spans             // a list of them
)

// seen reads the setting from a configuration, normalised.
func (s setting) seen(cfg config) json.RawMessage {
	raw, ok := cfg[s.key]
	if !ok || string(raw) == "null" {
		return json.RawMessage(s.blank)
	}
	switch s.form {
	case limit:
		var n int64
		if json.Unmarshal(raw, &n) == nil && n <= 0 {
			return json.RawMessage("-1")
		}
	case span:
		var d time.Duration
		if json.Unmarshal(raw, &d) == nil {
			return compact(tidy(d))
		}
	case spans:
		var ds []time.Duration
		if json.Unmarshal(raw, &ds) == nil {
			return compact(tidyAll(ds))
		}
	}
	return raw
}

// put writes the setting, given as in a state, into a configuration.
func (s setting) put(cfg config, v json.RawMessage) error {
	switch s.form {
	case span:
		d, err := untidy(v)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		v = compact(int64(d))
	case spans:
		var words []json.RawMessage
		if err := json.Unmarshal(v, &words); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		out := make([]int64, len(words))
		for i, w := range words {
			d, err := untidy(w)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			out[i] = int64(d)
		}
		v = compact(out)
	}
	cfg[s.key] = v
	return nil
}

// value is what a runbook gives for the setting, as it is in a state.
func (s setting) value(v any) json.RawMessage {
	switch v := v.(type) {
	case time.Duration:
		return compact(tidy(v))
	case []time.Duration:
		return compact(tidyAll(v))
	case int64:
		if s.form == limit && v <= 0 {
			v = -1
		}
		return compact(v)
	case runbook.Bytes:
		if v <= 0 {
			v = -1
		}
		return compact(int64(v))
	default:
		return compact(v)
	}
}

// given maps settings to the values that a runbook gives.
type given map[string]any

func opt[T any](g given, name string, v *T) {
	if v != nil {
		g[name] = *v
	}
}

// fields are the given values as owned fields.
func (g given) fields(table []setting) state.Fields {
	out := state.Fields{}
	for _, s := range table {
		if v, ok := g[s.name]; ok {
			out[s.name] = s.value(v)
		}
	}
	return out
}

// seenFields reads from a configuration the settings that fields has.
func seenFields(table []setting, cfg config, fields state.Fields) state.Fields {
	out := state.Fields{}
	for _, s := range table {
		if _, ok := fields[s.name]; ok {
			out[s.name] = s.seen(cfg)
		}
	}
	return out
}

// same compares two values of a field.
func same(a, b json.RawMessage) bool {
	return len(state.Diff(state.Face{"": {"": a}}, state.Face{"": {"": b}})) == 0
}

func compact(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("nats: %T is not JSON: %v", v, err))
	}
	return raw
}

// tidy writes 48h0m0s as 48h.
func tidy(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func tidyAll(ds []time.Duration) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = tidy(d)
	}
	return out
}

func untidy(v json.RawMessage) (time.Duration, error) {
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return 0, err
	}
	return time.ParseDuration(s)
}

// sorted is a copy of a set in order, each once; never nil.
func sorted(set []string) []string {
	out := append([]string{}, set...)
	slices.Sort(out)
	return slices.Compact(out)
}
