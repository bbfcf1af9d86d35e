package files

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file into a directory of the test's own.
func put(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(path, []byte(text), 0o640))
	return path
}

func content(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	check(t, err)
	return string(raw)
}

func yamlOf(t testing.TB, p yamlParams) *action {
	t.Helper()
	check(t, p.Validate())
	changes, s, err := p.parsed()
	check(t, err)
	a, err := newAction(p.Path, yamlFormat(p.Document), s, changes)
	check(t, err)
	return a
}

func envOf(t testing.TB, p envParams) *action {
	t.Helper()
	check(t, p.Validate())
	a, err := envAct(p)
	check(t, err)
	return a.(*action)
}

// A play is an action at work on a file.
type play struct {
	t            testing.TB
	a            *action
	before, want state.State
	cursor       json.RawMessage
}

func planned(t testing.TB, a *action) (*play, error) {
	t.Helper()
	p := &play{t: t, a: a}
	var err error
	if p.before, err = a.Observe(t.Context()); err != nil {
		return p, err
	}
	others, err := a.Survey(t.Context())
	if err != nil {
		return p, err
	}
	p.want, err = a.PlanAmong(p.before, others)
	return p, err
}

func (p *play) effect() driver.Effect {
	return driver.Effect{
		Before: p.before, Want: p.want, Cursor: p.cursor,
		Mine: func() error { return nil },
		Save: func(_ context.Context, cursor any) error {
			var err error
			p.cursor, err = json.Marshal(cursor)
			return err
		},
	}
}

func (p *play) apply() {
	p.t.Helper()
	after, err := p.a.Apply(p.t.Context(), p.effect())
	check(p.t, err)
	if d := cmp.Diff(p.want, after); d != "" {
		p.t.Fatalf("applied (-want +got):\n%s", d)
	}
}

func (p *play) undo() {
	p.t.Helper()
	check(p.t, p.a.Undo(p.t.Context(), p.effect()))
	found, err := p.a.Observe(p.t.Context())
	check(p.t, err)
	if d := cmp.Diff(p.before, found); d != "" {
		p.t.Fatalf("undone (-want +got):\n%s", d)
	}
}

func run(t testing.TB, a *action) *play {
	t.Helper()
	p, err := planned(t, a)
	check(t, err)
	p.apply()
	return p
}

func same(t testing.TB, what, want, got string) {
	t.Helper()
	if want != got {
		t.Errorf("%s:\n%s\nwant:\n%s\n(-want +got):\n%s", what, got, want, cmp.Diff(want, got))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o600))
}
