package runbook_test

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/segue-run/segue/runbook"
)

func parseCase(t testing.TB, path string) *runbook.Runbook {
	t.Helper()
	src, vals := readCase(t, path)
	rb, err := runbook.Parse(filepath.Base(path), src, newFakeCatalog(), vals)
	if err != nil {
		t.Fatal(err)
	}
	return rb
}

// TestGoodRunbooks shows what a runbook becomes: the .parsed file beside it
// is what the engine sees, defaults and inputs filled in.
func TestGoodRunbooks(t *testing.T) {
	for _, path := range casesIn(t, "good") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			golden(t, strings.TrimSuffix(path, ".yaml")+".parsed", show(t, parseCase(t, path)))
		})
	}
}

func TestWarnings(t *testing.T) {
	for _, path := range casesIn(t, "warned") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			var out strings.Builder
			for _, w := range runbook.Lint(parseCase(t, path)) {
				out.WriteString(w.String() + "\n")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".warn", out.String())
		})
	}
}

// show prints a runbook as indented JSON, without what is empty, positions,
// the source and all of a kind but its name.
func show(t *testing.T, rb *runbook.Runbook) string {
	t.Helper()
	short := *rb
	short.Text, short.File = nil, ""
	raw, err := json.MarshalIndent(prune(plainOf(short)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw) + "\n"
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = prune(e); e == nil || reflect.ValueOf(e).IsZero() {
				delete(v, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}

func TestParsingAgainWithTheSameInputsGivesTheSame(t *testing.T) {
	for _, path := range casesIn(t, "good") {
		rb := parseCase(t, path)
		again, err := runbook.Parse(rb.File, rb.Text, newFakeCatalog(), runbook.Values{Set: rb.Settings()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rb, again, cmpopts.IgnoreUnexported(runbook.Runbook{}), cmpopts.IgnoreFields(runbook.Kind{}, "Validate", "Reaches"), cmpopts.IgnoreFields(runbook.PlaceKind{}, "Validate")); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
		if rb.Digest() != again.Digest() || len(rb.Digest()) != 64 {
			t.Errorf("digests %s and %s", rb.Digest(), again.Digest())
		}
	}
}
