package files

import (
	"os"
	"strings"
	"testing"
)

// What others do to the file between apply and undo stays.
func TestUndoKeepsWhatOthersChanged(t *testing.T) {
	const text = `# of the app
a: 'one' # why
b: 2
gone: # about it
  x: 0x10 # sixteen

  y: z
c: {d: 1}
`
	p := yamlParams{Set: map[string]any{"a": "two", "c.e": "new", "x.w": true}, Unset: []string{"gone"}}
	for _, c := range []struct{ name, from, to, wantFrom, wantTo string }{
		{"a comment before", "# of the app\n", "# of the app\n# and of mine\n", "# of the app\n", "# of the app\n# and of mine\n"},
		{"a key before", "# of the app\n", "mine: 1\n", "# of the app\n", "mine: 1\n"},
		{"a comment between", "b: 2\n", "b: 2 # mine\n", "b: 2\n", "b: 2 # mine\n"},
		{"a comment behind", "  w: true\n", "  w: true\n# mine\n", "c: {d: 1}\n", "c: {d: 1}\n# mine\n"},
		{"a key behind", "  w: true\n", "  w: true\nmine: 1\n", "c: {d: 1}\n", "c: {d: 1}\nmine: 1\n"},
		{"another value, as long", "b: 2\n", "b: 3\n", "b: 2\n", "b: 3\n"},
		{"a key beside what was added", "e: new}", "e: new, mine: 1}", "{d: 1}", "{d: 1, mine: 1}"},
		{"a key beneath what was added", "  w: true\n", "  w: true\n  mine: 1\n", "c: {d: 1}\n", "c: {d: 1}\nx:\n  mine: 1\n"},
		{"a comment on an owned value", "# why", "# because", "# why", "# because"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Path = put(t, "c.yaml", text)
			r := run(t, yamlOf(t, p))
			others := strings.Replace(content(t, p.Path), c.from, c.to, 1)
			if others == content(t, p.Path) {
				t.Fatalf("%q is not in %s", c.from, others)
			}
			check(t, os.WriteFile(p.Path, []byte(others), 0o640))
			r.undo()
			same(t, "undone", strings.Replace(text, c.wantFrom, c.wantTo, 1), content(t, p.Path))
		})
	}
}

func TestUndoKeepsWhatOthersChangedInAnEnvFile(t *testing.T) {
	const text = "# of the app\nA='one' # why\nGONE=\"x $y\" # about it\nB=2\n"
	p := envParams{Set: map[string]string{"A": "two", "C": "new"}, Unset: []string{"GONE"}}
	for _, c := range []struct{ name, from, to, wantFrom, wantTo string }{
		{"a line before", "# of the app\n", "# of the app\nMINE=1\n", "# of the app\n", "# of the app\nMINE=1\n"},
		{"a line between", "B=2\n", "B=2\n# mine\n", "B=2\n", "B=2\n# mine\n"},
		{"a line behind", "C=new\n", "C=new\nMINE=1\n", "B=2\n", "B=2\nMINE=1\n"},
		{"an owned line taken out", "C=new\n", "", "", ""},
		{"an owned value", "C=new\n", "C=other\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Path = put(t, ".env", text)
			r := run(t, envOf(t, p))
			check(t, os.WriteFile(p.Path, []byte(strings.Replace(content(t, p.Path), c.from, c.to, 1)), 0o640))
			r.undo()
			same(t, "undone", strings.Replace(text, c.wantFrom, c.wantTo, 1), content(t, p.Path))
		})
	}
}

// Without a cursor the values come back all the same.
func TestUndoWithoutACursorRestoresTheValues(t *testing.T) {
	p := yamlParams{
		Path: put(t, "c.yaml", "a: 'one'\nb:\n  password: 12345\n  on: yes\nc: [1, x]\n"),
		Set:  map[string]any{"a": "two", "d.e": int64(1)}, Unset: []string{"b", "c"},
	}
	r := run(t, yamlOf(t, p))
	r.cursor = nil
	r.undo()
	if got := content(t, p.Path); !strings.Contains(got, "a: 'one'\n") || !strings.Contains(got, "12345") {
		t.Errorf("undone: %s", got)
	}
}

func TestTwoStepsOnOneFileComeBackInReverse(t *testing.T) {
	const text = "a: 1\nb: {}\n# end"
	path := put(t, "c.yaml", text)
	one := run(t, yamlOf(t, yamlParams{Path: path, Set: map[string]any{"b.x": int64(1), "c": "new"}}))
	two := run(t, yamlOf(t, yamlParams{Path: path, Set: map[string]any{"b.y": int64(2), "c": "newer"}, Unset: []string{"a"}}))
	two.undo()
	one.undo()
	same(t, "undone", text, content(t, path))
}

// The record is for everybody to see.
func TestTheCursorHoldsNoValue(t *testing.T) {
	p := yamlParams{
		Path: put(t, "c.yaml", "plain: value-before\nkey: |\n  -----BEGIN-----\n  line-of-key\n  -----END-----\ndb:\n  password: >\n    folded-before\n  list: [\"quoted-before\", 'single-before']\n"),
		Set:  map[string]any{"plain": "value-after", "key": "key-after"}, Unset: []string{"db"},
	}
	text := content(t, p.Path)
	r := run(t, yamlOf(t, p))
	for _, value := range []string{"value-", "BEGIN", "line-of-key", "key-after", "-before"} {
		if strings.Contains(string(r.cursor), value) {
			t.Errorf("%s shows in %s", value, r.cursor)
		}
	}
	r.undo()
	if want := strings.Replace(text, ">\n    folded-before", `"folded-before\n"`, 1); content(t, p.Path) != want {
		same(t, "undone", want, content(t, p.Path)) // a secret's folded lines come back as one
	}
}
