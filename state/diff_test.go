package state

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func TestDiffListsWhatDiffers(t *testing.T) {
	for name, c := range map[string]struct {
		from, to Face
		want     []string
	}{
		"nothing":                    {Face{"r/1": {"x": raw("1")}}, Face{"r/1": {"x": raw("1")}}, nil},
		"a value":                    {Face{"r/1": {"x": raw("1")}}, Face{"r/1": {"x": raw("2")}}, []string{"r 1 x: 1 → 2"}},
		"a field more":               {Face{"r/1": {}}, Face{"r/1": {"x": raw("2")}}, []string{"r 1 x: (none) → 2"}},
		"a field less":               {Face{"r/1": {"x": raw("1")}}, Face{"r/1": {}}, []string{"r 1 x: 1 → (none)"}},
		"a resource more":            {Face{}, Face{"r/1": {"x": raw("2")}}, []string{"r 1 x: (none) → 2"}},
		"a resource less":            {Face{"r/1": {"x": raw("1")}}, Face{}, []string{"r 1 x: 1 → (none)"}},
		"null is a value":            {Face{"r/1": {"x": raw("null")}}, Face{"r/1": {}}, []string{"r 1 x: null → (none)"}},
		"the order of keys is none":  {Face{"r/1": {"x": raw(`{"a":1,"b":2}`)}}, Face{"r/1": {"x": raw(`{ "b": 2, "a": 1 }`)}}, nil},
		"the order of a list is one": {Face{"r/1": {"x": raw(`[1,2]`)}}, Face{"r/1": {"x": raw(`[2,1]`)}}, []string{"r 1 x: [1,2] → [2,1]"}},
		"large numbers, exactly":     {Face{"r/1": {"x": raw("9007199254740993")}}, Face{"r/1": {"x": raw("9007199254740992")}}, []string{"r 1 x: 9007199254740993 → 9007199254740992"}},
		"secrets are told apart, not shown": {
			Face{"r/1": {"x": raw(`{"$sealed":"ab"}`)}}, Face{"r/1": {"x": raw(`{"$sealed":"cd"}`)}}, []string{"r 1 x: (sealed) → (sealed)"},
		},
		"ordered by resource and field": {
			Face{},
			Face{"r/2": {"a": raw("1")}, "r/1": {"b": raw("1"), "a": raw("1")}},
			[]string{"r 1 a: (none) → 1", "r 1 b: (none) → 1", "r 2 a: (none) → 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, texts(Diff(c.from, c.to))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if c.from.Equal(c.to) != (c.want == nil) {
				t.Error("Equal disagrees with Diff")
			}
		})
	}
}

func TestDriftIsOnlyWhatBothOwn(t *testing.T) {
	left := Face{"r/1": {"x": raw("1"), "y": raw("2")}}
	for name, c := range map[string]struct {
		found Face
		want  []string
	}{
		"as it was left":       {Face{"r/1": {"x": raw("1"), "y": raw("2")}}, nil},
		"changed":              {Face{"r/1": {"x": raw("5"), "y": raw("2")}}, []string{"r 1 x: 1 → 5"}},
		"less is looked at":    {Face{"r/1": {"y": raw("3")}}, []string{"r 1 y: 2 → 3"}},
		"more is looked at":    {Face{"r/1": {"z": raw("3"), "x": raw("1")}}, nil},
		"another resource":     {Face{"r/2": {"x": raw("9")}}, nil},
		"nothing is looked at": {Face{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, texts(Drift(left, c.found))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func texts(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

func TestNameIsTheLastTwoParts(t *testing.T) {
	for id, want := range map[string]string{
		"nats:C1/$G/stream/AA_DLQ": "stream AA_DLQ",
		"postgres:7/lekiwi":        "postgres:7 lekiwi",
		"alone":                    "alone",
		"":                         "",
	} {
		if got := Name(id); got != want {
			t.Errorf("Name(%q) = %q, want %q", id, got, want)
		}
	}
}

// Laws of Diff, Drift and With, on any states.
func TestLawsOfDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := anyState().Draw(t, "a").Face(key)
		b, _ := anyState().Draw(t, "b").Face(key)
		forth, back := Diff(a, b), Diff(b, a)
		if len(Diff(a, a)) != 0 || len(Drift(a, a)) != 0 {
			t.Fatal("a face differs from itself")
		}
		if len(forth) != len(back) {
			t.Fatalf("%d differences one way, %d the other", len(forth), len(back))
		}
		for i, c := range forth {
			if r := back[i]; r.Resource != c.Resource || r.Field != c.Field || !same(r.From, c.To) || !same(r.To, c.From) {
				t.Fatalf("%v one way, %v the other", c, r)
			}
		}
		for _, d := range Drift(a, b) {
			if d.From == nil || d.To == nil {
				t.Fatalf("drift of what not both own: %v", d)
			}
		}
		// b laid over a drifts from b in nothing.
		if d := Drift(b, a.With(b)); len(d) != 0 {
			t.Fatalf("laid over, and yet drifted: %v", d)
		}
		if !a.With(Face{}).Equal(a) || !(Face{}).With(a).Equal(a) {
			t.Fatal("nothing laid over, or under, changes a face")
		}
		// Applying the differences of a and b to a gives b's values.
		patched := a
		for _, c := range forth {
			if c.To != nil {
				patched = patched.With(Face{c.Resource: {c.Field: c.To}})
			}
		}
		if d := Drift(b, patched); len(d) != 0 {
			t.Fatalf("patched, and yet different: %v", d)
		}
	})
}
