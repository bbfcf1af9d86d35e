package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A run puts its own journal into a bundle while it goes on; whoever has the bundle
// reads there what was done until then, and the bundle stays as it was written.
func TestTheJournalInABundleCanBeReported(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("BUNDLE_KEY", "a key of tests")
	state, rb := filepath.Join(dir, "state"), filepath.Join(dir, "bundled.yaml")
	text := fmt.Sprintf(`segue: v1
name: bundled
checks:
  good: {backup.age: {dir: %[1]s/bundles, key: "${BUNDLE_KEY}", newer-than: 1h}}
phases:
  - name: only
    steps:
      - name: Write it
        exec: {do: [/bin/sh, -c, "echo new > %[1]s/a"], undo: [/bin/true], observe: [/bin/sh, -c, "cat %[1]s/a || true"], want: new}
      - name: Bundle it
        backup.bundle: {dir: %[1]s/bundles, key: "${BUNDLE_KEY}", journal: %[1]s/state/journal.db}
    verify: {within: 30s, checks: [good]}
`, dir)
	if err := os.WriteFile(rb, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := told(t, state, "run", "--quiet", rb); code != codeDone {
		t.Fatalf("the run ended with %d: %s", code, out)
	}
	bundles, err := filepath.Glob(filepath.Join(dir, "bundles", "bundle-*Z"))
	if err != nil || len(bundles) != 1 {
		t.Fatal(bundles, err)
	}
	was := filesIn(t, bundles[0])
	for _, args := range [][]string{{"report", "--verify"}, {"runs"}, {"status"}} {
		out, code := told(t, filepath.Join(bundles[0], "journal"), args...)
		if code != codeDone || !strings.Contains(out, "bundled") {
			t.Errorf("segue %v ended with %d: %s", args, code, out)
		}
		if args[0] == "report" && (!strings.Contains(out, "only/write-it") || strings.Contains(out, "bundled: completed")) {
			t.Errorf("the report is not of the moment of the bundle:\n%s", out)
		}
	}
	if now := filesIn(t, bundles[0]); !slices.Equal(was, now) {
		t.Errorf("reading it has changed the bundle: %v, and %v", was, now)
	}
}

// filesIn are the files in a directory, with their sizes and times.
func filesIn(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			out = append(out, fmt.Sprint(path, info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
