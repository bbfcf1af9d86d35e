package files

import (
	"bytes"
	"encoding/json"
	"testing"
)

// roundTrip changes a file's bytes and takes the change back with what a
// journal would have kept of it. A change may be refused; one that is made
// must come back as the same bytes. It reports whether it was made.
func roundTrip(t *testing.T, parse format, src []byte, changes []change) bool {
	t.Helper()
	// What is secret comes back as the same value, and not always as written.
	w, err := newWork("f", parse, src, func(keyPath, []string, any) bool { return false })
	if err != nil {
		return false
	}
	first, before := w.doc, make([]change, len(changes))
	var keys []keyPath
	for i, c := range changes {
		v, ok, err := w.doc.get(c.key)
		if err != nil {
			return false
		}
		before[i] = change{c.key, v, ok}
		if ok { // as it comes back from the state
			if before[i].v, _, err = decode(sealer{}.encode(c.key, v)); err != nil {
				t.Fatal(err)
			}
		}
		keys = append(keys, c.key)
	}
	r, err := w.all(changes, before)
	if err != nil {
		return false
	}
	for _, c := range changes {
		if ok, err := w.is(c); err != nil || !ok {
			t.Fatalf("%s is not as wanted in %q, from %q: %v", c.key, w.src, src, err)
		}
	}
	if err := first.differs(w.doc, keys); err != nil {
		t.Fatalf("%q became %q: %v", src, w.src, err)
	}
	cursor, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = recorded(cursor); err != nil {
		t.Fatal(err)
	}
	made := bytes.Clone(w.src)
	if err := w.back(r, before, changes); err != nil {
		t.Fatalf("%q became %q and does not come back: %v", src, made, err)
	}
	if !bytes.Equal(w.src, src) {
		t.Fatalf("%q became %q and came back as %q (%s)", src, made, w.src, cursor)
	}
	return true
}

func FuzzYAML(f *testing.F) {
	for _, c := range yamlCases {
		for k := range c.p.Set {
			f.Add([]byte(c.before), k, "", "value")
			f.Add([]byte(c.before), k, "b", "1")
		}
		for _, k := range c.p.Unset {
			f.Add([]byte(c.before), "", k, "")
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, set, unset, value string) {
		var changes []change
		if k, err := parseKey(set); err == nil {
			changes = append(changes, change{k, value, true})
		}
		if k, err := parseKey(unset); err == nil && k.last().index < 0 && (len(changes) == 0 || !k.covers(changes[0].key) && !changes[0].key.covers(k)) {
			changes = append(changes, change{key: k})
		}
		if len(src) > 1000 {
			return
		}
		roundTrip(t, yamlFormat(nil), src, changes)
	})
}

func FuzzEnv(f *testing.F) {
	for _, src := range []string{"A=1\nB=2\n", "export A='x' # y\r\nB=\"z\"", "A=1\nA=2", "#A=1\nB=x \\\nA=2", "A=\"x\ny\"\n", ""} {
		f.Add([]byte(src), "x y", true)
		f.Add([]byte(src), "x", false)
	}
	f.Fuzz(func(t *testing.T, src []byte, value string, also bool) {
		changes := []change{{keyPath{{"A", -1}}, value, true}}
		if also {
			changes = append(changes, change{key: keyPath{{"B", -1}}})
		}
		if envValueError(value) != nil || len(src) > 1000 {
			return
		}
		roundTrip(t, envFormat, src, changes)
	})
}

// TestTheRoundTripFindsWhatIsWrong is the negative control: changes are made,
// and one that touches something else is found.
func TestTheRoundTripFindsWhatIsWrong(t *testing.T) {
	if !roundTrip(t, yamlFormat(nil), []byte("a: 1\n"), []change{{keyPath{{"a", -1}}, "x", true}}) {
		t.Error("a plain change is not made")
	}
	for _, c := range []struct{ before, after string }{
		{"a: 1\nb: 1\n", "a: 2\nb: 2\n"},
		{"a: 1\nb: 1\n", "a: 2\n"},
		{"a: 1\n", "a: 2\nb: 1\n"},
		{"a: 1\nb: 1\n", "a: 2\nb: '1'\n"},
		{"a: 1\nb: [1, 2]\n", "a: 2\nb: [1]\n"},
		{"a: 1\nb: x\n", "a: 2\nb: &x x\n"},
		{"a: 1\n---\nb: 1\n", "a: 2\n"},
		{"a: 1\n---\nb: 1\n", "a: 2\n---\nb: 2\n"},
		{"a: 1\nb: {}\n", "a: 2\nb: {x: 1}\n"},
		{"a: 1\nb: 1\nb: 2\n", "a: 2\nb: 1\n"},
	} {
		first, err := yamlFormat(new(0))("f", []byte(c.before))
		check(t, err)
		then, err := yamlFormat(new(0))("f", []byte(c.after))
		check(t, err)
		if first.differs(then, []keyPath{{{"a", -1}}}) == nil {
			t.Errorf("%q and %q are taken for alike but for a", c.before, c.after)
		}
	}
}
