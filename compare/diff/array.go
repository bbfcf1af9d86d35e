package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// keyed compares the items that have the same key.
func (w *walk) keyed(f *field, name string, legacy, fresh []any) {
	item := f.item()
	old, oldOrder := byKey(f.keys, legacy)
	now, nowOrder := byKey(f.keys, fresh)
	for _, k := range oldOrder {
		w.in(k, func() {
			if v, ok := now[k]; ok {
				w.values(item, name, old[k], v)
			} else {
				w.note(item, Missing, name, old[k], nil)
			}
		})
	}
	for _, k := range nowOrder {
		if _, ok := old[k]; !ok {
			w.in(k, func() { w.note(item, Extra, name, nil, now[k]) })
		}
	}
	if f.unordered {
		return
	}
	common := func(order []string, in map[string]any) []string {
		return slices.DeleteFunc(slices.Clone(order), func(k string) bool { _, ok := in[k]; return !ok })
	}
	a, b := common(oldOrder, now), common(nowOrder, old)
	for i := range a {
		if a[i] != b[i] {
			w.add(Difference{Field: f.path, Kind: Order, Legacy: shorten(strings.Join(a[i:], " ")), New: shorten(strings.Join(b[i:], " "))})
			return
		}
	}
}

// byKey gives each item a name by its key: [id=r7]. Of those that share one,
// and of those without any, the first is the first of the other side.
func byKey(keys []string, items []any) (named map[string]any, order []string) {
	named, order = make(map[string]any, len(items)), make([]string, 0, len(items))
	seen := map[string]int{}
	for _, v := range items {
		k := keyOf(keys, v)
		if seen[k]++; seen[k] > 1 {
			k = fmt.Sprintf("%s#%d]", strings.TrimSuffix(k, "]"), seen[k])
		}
		named[k] = v
		order = append(order, k)
	}
	return named, order
}

func keyOf(keys []string, v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return "[" + excerpt("", v) + "]"
	}
	for _, key := range keys {
		switch id := m[key].(type) {
		case nil:
			continue
		case string:
			if id != "" {
				return "[" + key + "=" + id + "]"
			}
		default:
			if n, ok := numberOf(id); ok {
				d := decimalOf(n)
				if d.exp == 0 && !d.negative {
					return "[" + key + "=" + d.digits + "]"
				}
				return "[" + key + "=" + string(n) + "]"
			}
			return "[" + key + "=" + excerpt(key, id) + "]"
		}
	}
	return "[without a key]"
}

// leftOver are the items that the other side has not, as many as there are too
// many of them. Tolerances do not count here.
func (w *walk) leftOver(item *field, legacy, fresh []any) (old, now []any) {
	count := map[string]int{}
	forms := make([]string, len(fresh))
	for i, v := range fresh {
		forms[i] = w.form(item, v)
		count[forms[i]]++
	}
	for _, v := range legacy {
		if s := w.form(item, v); count[s] > 0 {
			count[s]--
		} else {
			old = append(old, v)
		}
	}
	for i, v := range fresh {
		if count[forms[i]] > 0 {
			count[forms[i]]--
			now = append(now, v)
		}
	}
	return old, now
}

// form is a value as text, the same for all that are not different.
func (w *walk) form(f *field, v any) string {
	var b strings.Builder
	w.write(&b, f, v)
	return b.String()
}

func (w *walk) write(b *strings.Builder, f *field, v any) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			m := f.member(name)
			if m.ignore || v[name] == nil && w.c.rules.NullIsMissing {
				continue
			}
			fmt.Fprintf(b, "%q:", name)
			w.write(b, m, v[name])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		if item := f.item(); !item.ignore {
			for _, e := range v {
				w.write(b, item, e)
				b.WriteByte(',')
			}
		}
		b.WriteByte(']')
	case string:
		if t, ok := timeOf(v); ok && !w.c.rules.StrictTimes {
			fmt.Fprintf(b, "t%d.%d", t.Unix(), t.Nanosecond())
			return
		}
		fmt.Fprintf(b, "%q", v)
	default:
		if n, ok := numberOf(v); ok {
			d := decimalOf(n)
			fmt.Fprintf(b, "%t%se%d", d.negative, d.digits, d.exp)
			return
		}
		raw, _ := json.Marshal(v) // true, false or null
		b.Write(raw)
	}
}
