package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Try maps a sample and says how what comes out differs from what is expected
// of it: a record under want, or under refuse a part of the reason why there is
// none.
func (m *Mapping) Try(sample any) error {
	s, ok := sample.(map[string]any)
	if !ok {
		return fmt.Errorf("it is %s: write {given: {…}, want: {…}}", show(sample))
	}
	for key := range s {
		if !slices.Contains([]string{"given", "want", "refuse"}, key) {
			return fmt.Errorf("there is no key %s: there are given, want and refuse", key)
		}
	}
	given, ok := s["given"].(map[string]any)
	want, wants := s["want"].(map[string]any)
	refuse, refuses := s["refuse"].(string)
	if !ok || wants == refuses {
		return fmt.Errorf("it has a record under given, and either one under want, or under refuse the reason why there is none")
	}
	got, bad := m.Apply(given)
	switch {
	case bad != nil && wants:
		return fmt.Errorf("it is a bad record: %s %s", bad.Field, bad.Reason)
	case bad != nil && !strings.Contains(bad.Field+" "+bad.Reason, refuse):
		return fmt.Errorf("it is a bad record for another reason: %s %s", bad.Field, bad.Reason)
	case bad == nil && refuses:
		return fmt.Errorf("it is no bad record, and becomes %s", show(got))
	case refuses:
		return nil
	}
	names := slices.Collect(maps.Keys(got))
	names = append(names, slices.Collect(maps.Keys(want))...)
	slices.Sort(names)
	var differ []string
	for _, name := range slices.Compact(names) {
		if !same(got[name], want[name]) {
			differ = append(differ, fmt.Sprintf("%s is %s, not %s", name, show(got[name]), show(want[name])))
		}
	}
	if len(differ) > 0 {
		return fmt.Errorf("%s", strings.Join(differ, "; "))
	}
	return nil
}

// same compares values as JSON has them, numbers by what they are worth.
func same(a, b any) bool {
	x, errX := plain(a)
	y, errY := plain(b)
	return errX == nil && errY == nil && equal(x, y)
}

func plain(v any) (out any, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	err = dec.Decode(&out)
	return out, err
}

func equal(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, okX := new(big.Rat).SetString(a.String())
		y, okY := new(big.Rat).SetString(b.String())
		return okX && okY && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	}
	return a == b
}
