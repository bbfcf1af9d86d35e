package backup

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/state"
)

// filed is a rack with a bundle of its file, which is another since.
func newFiled(t testing.TB) *rack {
	t.Helper()
	r := newRack(t, "secret")
	r.make()
	r.write("mode: new\n# more\n", 0o600)
	return r
}

func (r *rack) write(text string, mode os.FileMode) {
	r.t.Helper()
	r.check(os.WriteFile(r.file, []byte(text), mode))
	r.check(os.Chmod(r.file, mode))
}

// is reads the file, with its mode.
func (r *rack) is(text, mode string) {
	r.t.Helper()
	raw, err := os.ReadFile(r.file)
	r.check(err)
	info, err := os.Stat(r.file)
	r.check(err)
	if string(raw) != text || info.Mode().String() != mode {
		r.t.Errorf("the file is %q, %s; want %q, %s", raw, info.Mode(), text, mode)
	}
}

func (r *rack) filing(files ...string) *filing {
	r.t.Helper()
	f, err := newFiling(r.shelf(), files)
	r.check(err)
	return f
}

func (r *rack) plan(f *filing) (driver.Effect, error) {
	r.t.Helper()
	before, err := f.Observe(r.t.Context())
	r.check(err)
	others, err := f.Survey(r.t.Context())
	r.check(err)
	want, err := f.PlanAmong(before, others)
	return driver.Effect{
		Before: before, Want: want, Mine: func() error { return nil },
		Save: func(context.Context, any) error { return nil },
	}, err
}

func TestRestoreOfFilesWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true, Secrets: []string{"a password of tests"},
		World: func(t testing.TB) drivertest.World {
			r := newRack(t, "secret")
			r.write("password: a password of tests\n", 0o640)
			gone := filepath.Join(r.dir, "gone.env")
			r.check(os.WriteFile(gone, []byte("MODE=old\n"), 0o600))
			r.p.Files = append(r.p.Files, gone)
			r.make()
			r.check(os.Remove(gone))
			r.write("password: another\n", 0o600)
			return drivertest.World{
				Action:  func() driver.Action { return r.filing(r.p.Files...) },
				Disturb: func(context.Context) error { return os.WriteFile(r.file, []byte("by hand\n"), 0o600) },
			}
		},
	})
}

func TestFilesComeBackWithTheirBytesAndModes(t *testing.T) {
	t.Parallel()
	r := newFiled(t)
	f := r.filing(r.file)
	e, err := r.plan(f)
	r.check(err)
	if text := f.Costs(e.Before, e.Want); !strings.Contains(text, "(17 bytes, mode 0600) is replaced by what the bundle has (10 bytes, mode 0640)") {
		t.Errorf("costs: %q", text)
	}
	_, err = f.Apply(t.Context(), e)
	r.check(err)
	r.is("mode: old\n", "-rw-r-----")
	r.check(r.filing(r.file).Undo(t.Context(), e))
	r.is("mode: new\n# more\n", "-rw-------")
	if left, err := filepath.Glob(filepath.Join(r.dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWhatOthersChangeMeanwhileStays(t *testing.T) {
	t.Parallel()
	r := newFiled(t)
	e, err := r.plan(r.filing(r.file))
	r.check(err)
	r.write("by hand\n", 0o600)
	if _, err := r.filing(r.file).Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "somebody changed it just now") {
		t.Errorf("apply: %v", err)
	}
	kept, ok := errors.AsType[*driver.Kept](r.filing(r.file).Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.What, r.file) {
		t.Errorf("undo: %v", kept)
	}
	r.is("by hand\n", "-rw-------")
}

func TestWhatABundleDoesNotHaveIsNotRestored(t *testing.T) {
	t.Parallel()
	r := newFiled(t)
	if _, err := r.plan(r.filing(r.file, filepath.Join(r.dir, "other"))); err == nil || !strings.Contains(err.Error(), "there is no good bundle with all of these files") {
		t.Errorf("a file that is in none: %v", err)
	}
	// A bundle that was changed is none, and neither is one by another key.
	names, err := r.shelf().names()
	r.check(err)
	r.check(os.WriteFile(filepath.Join(r.p.Dir, names[0], "files", "001-app.yaml"), []byte("mode: oId\n"), 0o600))
	if _, err := r.plan(r.filing(r.file)); err == nil || !strings.Contains(err.Error(), "is not what was written") {
		t.Errorf("a bundle that was changed: %v", err)
	}
	r.p.Key = "another"
	if _, err := r.plan(r.filing(r.file)); err == nil || !strings.Contains(err.Error(), "signature does not fit") {
		t.Errorf("another key: %v", err)
	}
	r.is("mode: new\n# more\n", "-rw-------")
}

func TestTheJournalIsNeverPutBack(t *testing.T) {
	t.Parallel()
	r := newRack(t, "secret")
	r.p.Journal = filepath.Join(r.dir, "journal.db")
	r.check(os.WriteFile(r.p.Journal, []byte("events"), 0o600))
	b, err := newBundling(r.p, func(_ context.Context, from, to string) error { return os.Link(from, to) })
	r.check(err)
	want, err := b.Plan(nil)
	r.check(err)
	_, err = b.Apply(t.Context(), driver.Effect{Want: want, Mine: func() error { return nil }, Save: func(context.Context, any) error { return nil }})
	r.check(err)
	if _, err := r.plan(r.filing(r.p.Journal)); err == nil || !strings.Contains(err.Error(), "is never put back") {
		t.Errorf("%v", err)
	}
}

func TestWhatAFileHoldsIsForNobodyToSee(t *testing.T) {
	t.Parallel()
	r := newFiled(t)
	e, err := r.plan(r.filing(r.file))
	r.check(err)
	for _, s := range []state.State{e.Before, e.Want} {
		face, sealed := s.Face([]byte("key"))
		raw, err := json.Marshal(face)
		if err != nil || !sealed || strings.Contains(string(raw), "bW9kZ") { // "mode" in base64
			t.Errorf("%s, %v, %v", raw, sealed, err)
		}
	}
}
