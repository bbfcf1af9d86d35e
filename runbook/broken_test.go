package runbook_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/runbook"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// readCase reads a runbook of testdata with the values that it is to be
// parsed with: `#! set a=b` lines at its head, and a .values file beside it.
func readCase(t testing.TB, path string) (src []byte, vals runbook.Values) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		set, ok := strings.CutPrefix(strings.TrimSpace(line), "#! set ")
		if !ok {
			break
		}
		vals.Set = append(vals.Set, set)
	}
	values := strings.TrimSuffix(path, ".yaml") + ".values"
	if text, err := os.ReadFile(values); err == nil {
		vals.Files = append(vals.Files, runbook.ValuesFile{Name: filepath.Base(values), Text: text})
	}
	return src, vals
}

func casesIn(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no runbooks in testdata/%s: %v", dir, err)
	}
	return paths
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestBrokenRunbooksAreRefused(t *testing.T) {
	for _, path := range casesIn(t, "broken") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			src, vals := readCase(t, path)
			rb, err := runbook.Parse(filepath.Base(path), src, newFakeCatalog(), vals)
			if err == nil || rb != nil {
				t.Fatalf("it was taken: %v", rb)
			}
			var errs runbook.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("%T is not Errors", err)
			}
			for _, e := range errs {
				if e.Pos.File == filepath.Base(path) && (e.Pos.Line < 1 || e.Pos.Column < 1) {
					t.Errorf("no position: %s", e)
				}
				if e.Remedy == "" && !strings.Contains(e.Problem, "not YAML") {
					t.Errorf("no remedy: %s", e)
				}
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".err", err.Error()+"\n")
		})
	}
}

func TestEveryBrokenRunbookIsBrokenInItsOwnWay(t *testing.T) {
	paths, seen := casesIn(t, "broken"), map[string]string{}
	if len(paths) < 40 {
		t.Errorf("%d broken runbooks", len(paths))
	}
	for _, path := range paths {
		text, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".err")
		if err != nil {
			t.Fatal(err)
		}
		_, problem, _ := strings.Cut(string(text), " ")
		if other, dup := seen[problem]; dup {
			t.Errorf("%s and %s say the same", path, other)
		}
		seen[problem] = path
	}
}

func TestGoldenFilesHaveRunbooks(t *testing.T) {
	paths := casesIn(t, "broken")
	errs, err := filepath.Glob("testdata/broken/*.err")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		if !slices.Contains(paths, strings.TrimSuffix(e, ".err")+".yaml") {
			t.Errorf("%s has no runbook", e)
		}
	}
}
