package runbook_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/segue-run/segue/runbook"
)

// FuzzParse: no text panics or hangs; it gives a runbook or errors with
// positions, never both; and what parsed parses again.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "warned", "broken"} {
		for _, path := range casesIn(f, dir) {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, "soak=1h", "a: 1\n")
		}
	}
	f.Add([]byte("a: &a [*a, *a]\n"), "x=[a, b", "x: [1")
	cat := newFakeCatalog()
	f.Fuzz(func(t *testing.T, src []byte, set, values string) {
		start := time.Now()
		for _, vals := range []runbook.Values{
			{Samples: true},
			{Set: []string{set}, Files: []runbook.ValuesFile{{Name: "v.yaml", Text: []byte(values)}}},
		} {
			rb, err := runbook.Parse("f.yaml", src, cat, vals)
			if (rb == nil) == (err == nil) {
				t.Fatalf("%v and %v", rb, err)
			}
			if err != nil {
				checkErrors(t, err)
				continue
			}
			runbook.Lint(rb)
			if vals.Samples {
				continue
			}
			if _, err := runbook.Parse("f.yaml", src, cat, runbook.Values{Set: rb.Settings()}); err != nil {
				t.Errorf("it does not parse again with %q: %v", rb.Settings(), err)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func checkErrors(t *testing.T, err error) {
	t.Helper()
	var errs runbook.Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("%T %v", err, err)
	}
	for _, e := range errs {
		if e.Problem == "" || e.Pos.File == "f.yaml" && (e.Pos.Line < 1 || e.Pos.Column < 1) {
			t.Errorf("%+v", e)
		}
	}
}
