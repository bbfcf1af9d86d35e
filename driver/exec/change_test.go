package exec

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
)

// flagged changes a file by commands, as a runbook would a feature flag.
func flagged(dir string) changeParams {
	return changeParams{
		changeBase: changeBase{
			Do:      []string{"sh", "-c", `test -n "$TOKEN" && printf '%s\n' "$SEGUE_WANT" > flag`},
			Observe: []string{"cat", "flag"},
			Want:    "on",
			surroundings: surroundings{
				Dir: dir, Env: map[string]string{"TOKEN": "tok-en/7"},
			},
		},
		Undo: []string{"sh", "-c", `printf '%s\n' "$SEGUE_BEFORE" > flag`},
	}
}

func write(t testing.TB, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "flag"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChangeWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		Secrets: []string{"tok-en/7"},
		World: func(t testing.TB) drivertest.World {
			dir := t.TempDir()
			write(t, dir, "off\n")
			return drivertest.World{
				Action:  func() driver.Action { return made(t, flagged(dir)) },
				Disturb: func(context.Context) error { write(t, dir, "half\n"); return nil },
			}
		},
	})
}

func TestIrreversibleWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			dir := t.TempDir()
			write(t, dir, "off\n")
			return drivertest.World{Action: func() driver.Action {
				p := flagged(dir)
				p.Undo = nil
				return &changeIrreversible{*made(t, p), "the old flag"}
			}}
		},
	})
}

func made(t testing.TB, p changeParams) *change {
	t.Helper()
	c, err := newChange(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestABeforeThatFailsIsRestoredToo(t *testing.T) {
	dir := t.TempDir() // without a flag, cat fails: that is the state before
	p := flagged(dir)
	p.Undo = []string{"rm", "flag"}
	c := made(t, p)
	before, err := c.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	e := driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}
	if _, err := c.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := c.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "flag")); !os.IsNotExist(err) {
		t.Errorf("the flag is still there: %v", err)
	}
}

func TestACommandThatMissesItsMarkFails(t *testing.T) {
	for name, c := range map[string]struct {
		do   []string
		want string
	}{
		"it fails":             {[]string{"sh", "-c", "echo cannot >&2; exit 7"}, `do: sh ended with exit status 7: cannot; cat now shows "off"`},
		"it does not do it":    {[]string{"true"}, `do: true ran, and cat then shows "off", not "on"`},
		"it does else":         {[]string{"sh", "-c", "echo x > flag"}, `do: sh ran, and cat then shows "x", not "on"`},
		"it is not there":      {[]string{"/no/such"}, "no such file"},
		"it reports a failure": {[]string{"sh", "-c", "echo on > flag; exit 1"}, `exit status 1; cat now shows "on"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "off\n")
			p := flagged(dir)
			p.Do = c.do
			a := made(t, p)
			before, err := a.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, _ := a.Plan(before)
			_, err = a.Apply(t.Context(), driver.Effect{Before: before, Want: want, Mine: func() error { return nil }})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAShellStringIsRefused(t *testing.T) {
	p := flagged(".")
	p.Undo = []string{"rm -f flag; true"}
	if err := p.Validate(); err == nil || err.Error() != "undo: an argv is no shell string" {
		t.Errorf("got %v", err)
	}
	p.Undo = nil
	if err := p.Validate(); err == nil || err.Error() != "undo: there is no command" {
		t.Errorf("got %v", err)
	}
}

func TestIdentityIsThatOfTheRealDirectory(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	one, two := made(t, flagged(dir)), made(t, flagged(link))
	if one.resource.ID != two.resource.ID {
		t.Errorf("%q and %q", one.resource.ID, two.resource.ID)
	}
	if other := made(t, flagged(t.TempDir())); other.resource.ID == one.resource.ID {
		t.Errorf("two directories share %q", other.resource.ID)
	}
}

// Arguments may come from the environment and be secret; an identity stands in
// claims, faces and diffs, and must be the same whoever reads it.
func TestIdentityHoldsNoArgument(t *testing.T) {
	p := flagged(t.TempDir())
	p.Observe = []string{"/usr/bin/curl", "-H", "Authorization: tok-en/7", "http://127.0.0.1/flag"}
	id := made(t, p).Resources()[0].ID
	if strings.Contains(id, "tok-en") || !strings.Contains(id, "curl") {
		t.Errorf("identity %s", id)
	}
	other := p
	other.Observe = []string{"/usr/bin/curl", "http://127.0.0.1/another"}
	if made(t, other).Resources()[0].ID == id {
		t.Error("two outputs have one identity")
	}
}
