package state

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type stream struct {
	Subjects []string          `json:"subjects,omitempty"`
	Replicas int               `json:"replicas"`
	Password Secret            `json:"password,omitempty"`
	Env      map[string]Secret `json:"env,omitempty"`
}

var key = []byte("key of a run")

func TestOfAndDecodeGoThereAndBack(t *testing.T) {
	in := stream{Subjects: []string{"vendor.>"}, Replicas: 3, Password: "hunter2", Env: map[string]Secret{"A": "b"}}
	s := Of("nats:C/stream/A", in)
	var out stream
	ok, err := s.Decode("nats:C/stream/A", &out)
	if err != nil || !ok {
		t.Fatalf("decode: %v, %v", ok, err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Errorf("(-in +out):\n%s", d)
	}
	if ok, err := s.Decode("nats:C/stream/B", &out); ok || err != nil {
		t.Errorf("of a resource that is not there: %v, %v", ok, err)
	}
	if ok, err := s.Decode("nats:C/stream/A", &struct{ Replicas string }{}); !ok || err == nil || !strings.Contains(err.Error(), "nats:C/stream/A") {
		t.Errorf("into the wrong type: %v, %v", ok, err)
	}
}

func TestAFieldLeftOutIsNotOwned(t *testing.T) {
	if _, owned := Of("r", stream{Replicas: 1})["r"]["subjects"]; owned {
		t.Error("an empty subjects is owned")
	}
}

func TestOfPanicsOnWhatIsNoObject(t *testing.T) {
	for _, v := range []any{5, []int{1}, make(chan int)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%T passes for an object", v)
				}
			}()
			Of("r", v)
		}()
	}
}

func TestASecretDoesNotPrint(t *testing.T) {
	s := Secret("hunter2")
	for _, form := range []string{"%s", "%v", "%+v", "%#v", "%q"} {
		if got := fmt.Sprintf(form, s); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints %s", form, got)
		}
		if got := fmt.Sprintf(form, stream{Password: s}); strings.Contains(got, "hunter2") {
			t.Errorf("%s of a struct prints %s", form, got)
		}
	}
}

func TestAFaceShowsNoSecretAtAnyDepth(t *testing.T) {
	s := Of("r", map[string]any{
		"plain": "seen", "deep": []any{map[string]any{"x": Secret("one")}, Secret("two")}, "top": Secret("three"),
	})
	face, sealed := s.Face(key)
	if !sealed {
		t.Error("the state does not say that it holds secrets")
	}
	text, err := json.Marshal(face)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"one", "two", "three", secretKey} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q shows in %s", secret, text)
		}
	}
	if !strings.Contains(string(text), "seen") {
		t.Errorf("what is public is gone from %s", text)
	}
	if d := cmp.Diff([]string{"one", "three", "two"}, sorted(s.Secrets())); d != "" {
		t.Errorf("secrets (-want +got):\n%s", d)
	}
	var out struct{ Top Secret }
	if _, err := face.Unsealed().Decode("r", &out); err == nil || !strings.Contains(err.Error(), "the sealed face is needed") {
		t.Errorf("a secret out of a public face: %q, %v", string(out.Top), err)
	}
}

func TestALargeNumberBesideASecretStaysItself(t *testing.T) {
	face, _ := Of("r", map[string]any{"f": map[string]any{"s": Secret("x"), "n": 9007199254740993}}).Face(key)
	if text := string(face["r"]["f"]); !strings.Contains(text, "9007199254740993") {
		t.Errorf("the face is %s", text)
	}
}

func TestAStateWithoutSecretsIsItsOwnFace(t *testing.T) {
	s := Of("r", stream{Replicas: 1})
	face, sealed := s.Face(key)
	if sealed || len(s.Secrets()) != 0 {
		t.Error("secrets are found where none are")
	}
	if d := cmp.Diff(Face(s), face); d != "" {
		t.Errorf("(-state +face):\n%s", d)
	}
}

func TestDigestsTellSecretsApartAndOnlyWithTheKey(t *testing.T) {
	digest := func(s Secret, key string) string {
		face, _ := Of("r", map[string]any{"p": s}).Face([]byte(key))
		return string(face["r"]["p"])
	}
	if digest("a", "k") != digest("a", "k") { //nolint:staticcheck // the same question twice
		t.Error("one secret has two digests")
	}
	if digest("a", "k") == digest("b", "k") {
		t.Error("two secrets share a digest")
	}
	if digest("a", "k") == digest("a", "l") {
		t.Error("two keys give the same digest")
	}
}

func TestWithLaysFieldsOver(t *testing.T) {
	base := State{"a": {"x": raw("1"), "y": raw("2")}, "b": {"x": raw("3")}}
	over := State{"a": {"y": raw("9")}, "c": {"x": raw("4")}}
	got := base.With(over)
	want := State{"a": {"x": raw("1"), "y": raw("9")}, "b": {"x": raw("3")}, "c": {"x": raw("4")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	got["a"]["x"], got["b"]["x"] = raw("0"), raw("0")
	if string(base["a"]["x"]) != "1" || string(base["b"]["x"]) != "3" || len(over["a"]) != 1 {
		t.Error("what was laid over changed what it lay on")
	}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// Any state keeps its secrets and its equality through the journal.
func TestFacesOfAnyState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyState().Draw(t, "state")
		face, sealed := s.Face(key)
		if sealed != (len(s.Secrets()) > 0) {
			t.Fatalf("sealed is %v with %d secrets", sealed, len(s.Secrets()))
		}
		text, err := json.Marshal(face)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range s.Secrets() {
			if strings.Contains(string(text), secret) {
				t.Fatalf("%q shows in %s", secret, text)
			}
		}
		kept, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(kept, &back); err != nil {
			t.Fatal(err)
		}
		again, _ := back.Face(key)
		if !face.Equal(again) {
			t.Fatalf("differs after the journal: %v", Diff(face, again))
		}
	})
}

// anyState draws states of a few resources and fields, so that two of them
// have something in common.
func anyState() *rapid.Generator[State] {
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return rapid.IntRange(0, 3).Draw(t, "n")
		case 1:
			return rapid.SampledFrom([]string{"", "a", "b", secretKey}).Draw(t, "s")
		case 2:
			return Secret(rapid.StringMatching(`SECRET-[a-z]{8}`).Draw(t, "secret"))
		case 3:
			return []any{nil, true, Secret("SECRET-in-a-list")}
		case 4:
			return map[string]any{"n": map[string]any{"deep": rapid.Bool().Draw(t, "b")}}
		default:
			return nil
		}
	})
	fields := rapid.MapOf(rapid.SampledFrom([]string{"x", "y", "z"}), value)
	return rapid.Custom(func(t *rapid.T) State {
		out := State{}
		for id, f := range rapid.MapOf(rapid.SampledFrom([]string{"r/1", "r/2"}), fields).Draw(t, "resources") {
			out = out.With(Of(id, f))
		}
		return out
	})
}
