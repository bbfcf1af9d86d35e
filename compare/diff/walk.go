package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// A walk goes through two documents and notes where they differ.
type walk struct {
	c     *Comparer
	path  []string // of the place it is at: ".robots", "[id=r7]"
	found []Difference
}

// mostFound bounds what is noted of one pair: two long lists that have nothing
// in common differ everywhere, and more of it would say nothing else.
const mostFound = 100_000

func (w *walk) note(f *field, kind Kind, name string, legacy, fresh any) {
	d := Difference{Field: f.path, Kind: kind}
	if kind != Extra {
		d.Legacy = excerpt(name, legacy)
	}
	if kind != Missing {
		d.New = excerpt(name, fresh)
	}
	w.add(d)
}

func (w *walk) add(d Difference) {
	if len(w.found) >= mostFound {
		return
	}
	d.Path = where(w.path)
	if d.Field == "" {
		d.Field = "."
	}
	w.found = append(w.found, d)
}

// where is a path as text.
func where(steps []string) string {
	path := ""
	for _, s := range steps {
		if s[0] == '[' {
			path += s
		} else {
			path = join(path, s[1:])
		}
	}
	if path == "" {
		return "."
	}
	return path
}

func (w *walk) in(step string, f func()) {
	w.path = append(w.path, step)
	f()
	w.path = w.path[:len(w.path)-1]
}

// values compares what is at one place. name is the nearest member's, which
// may say that it is a secret.
func (w *walk) values(f *field, name string, legacy, fresh any) {
	if f.ignore {
		return
	}
	switch old := legacy.(type) {
	case map[string]any:
		if m, ok := fresh.(map[string]any); ok {
			w.objects(f, old, m)
			return
		}
	case []any:
		if a, ok := fresh.([]any); ok {
			w.arrays(f, name, old, a)
			return
		}
	default:
		if kind, same := w.scalars(f, legacy, fresh); same {
			if kind != "" {
				w.note(f, kind, name, legacy, fresh)
			}
			return
		}
	}
	w.note(f, Type, name, legacy, fresh)
}

// scalars compares two; same is false when they are not of one type.
func (w *walk) scalars(f *field, legacy, fresh any) (kind Kind, same bool) {
	switch old := legacy.(type) {
	case string:
		if s, ok := fresh.(string); ok {
			return w.c.texts(old, s, f.within), true
		}
	case bool:
		if b, ok := fresh.(bool); ok {
			if b != old {
				return Value, true
			}
			return "", true
		}
	case nil:
		return "", fresh == nil
	default:
		x, ok := numberOf(legacy)
		if !ok {
			return "", false
		}
		if y, ok := numberOf(fresh); ok {
			return numbers(x, y, f.within), true
		}
	}
	return "", false
}

// numberOf takes what is a number: as it was read, or as jq computed it.
func numberOf(v any) (json.Number, bool) {
	switch v := v.(type) {
	case json.Number:
		return v, true
	case string, bool, nil, map[string]any, []any:
		return "", false
	}
	raw, err := json.Marshal(v)
	return json.Number(raw), err == nil
}

func (w *walk) objects(f *field, legacy, fresh map[string]any) {
	gone := func(m map[string]any, name string) bool {
		v, ok := m[name]
		return !ok || v == nil && w.c.rules.NullIsMissing
	}
	for _, name := range slices.Sorted(maps.Keys(legacy)) {
		m := f.member(name)
		if m.ignore || gone(legacy, name) {
			continue
		}
		w.in("."+name, func() {
			if gone(fresh, name) {
				w.note(m, Missing, name, legacy[name], nil)
				return
			}
			w.values(m, name, legacy[name], fresh[name])
		})
	}
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		m := f.member(name)
		if m.ignore || !gone(legacy, name) || gone(fresh, name) {
			continue
		}
		w.in("."+name, func() { w.note(m, Extra, name, nil, fresh[name]) })
	}
}

func (w *walk) arrays(f *field, name string, legacy, fresh []any) {
	item := f.item()
	if item.ignore {
		return
	}
	switch {
	case len(f.keys) > 0:
		w.keyed(f, name, legacy, fresh)
		return
	case f.unordered:
		legacy, fresh = w.leftOver(item, legacy, fresh)
	}
	before := len(w.found)
	w.indexed(item, name, legacy, fresh)
	if len(w.found) == before || f.unordered || len(legacy) != len(fresh) {
		return
	}
	if a, b := w.leftOver(item, legacy, fresh); len(a) == 0 && len(b) == 0 {
		w.found = w.found[:before]
		w.note(f, Order, name, legacy, fresh)
	}
}

// indexed compares the first with the first.
func (w *walk) indexed(item *field, name string, legacy, fresh []any) {
	for i := range max(len(legacy), len(fresh)) {
		w.in(fmt.Sprintf("[%d]", i), func() {
			switch {
			case i >= len(fresh):
				w.note(item, Missing, name, legacy[i], nil)
			case i >= len(legacy):
				w.note(item, Extra, name, nil, fresh[i])
			default:
				w.values(item, name, legacy[i], fresh[i])
			}
		})
	}
}
