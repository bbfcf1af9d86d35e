package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// restoring makes the step that restores the last good bundle of a database.
func (w *world) restoring(t *testing.T, into string) func() driver.Action {
	t.Helper()
	made := drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
phases:
  - name: one
    steps:
      - {name: bundle, backup.bundle: {dir: "${DIR}/bundles", key: "${KEY}", of: [db], fresh: 0s}}
      - {name: restore, backup.restore: {dir: "${DIR}/bundles", key: "${KEY}", of: db, into: %s}}
`, into), w.env, slices.Concat(postgres.Parts(), backup.Parts(nil))...)
	applied(t, made.Again("bundle"))
	return func() driver.Action { return made.Again("restore") }
}

func TestTheLastGoodBundleIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	into := filepath.Base(strings.Split(w.url, "?")[0]) + "_restored"
	restore := w.restoring(t, into)
	good := w.bundles(t)
	postgrestest.Exec(t, w.url, "delete from robots") // the corruption, and then a bundle of it
	w.restoring(t, into)
	bad := w.bundles(t)[1]
	if len(good) != 1 || bad == good[0] {
		t.Fatalf("bundles %v, %v", good, bad)
	}
	if err := os.WriteFile(filepath.Join(bad, "manifest.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := restore()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	survey, err := a.(driver.Surveyor).Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.(driver.Surveyor).PlanAmong(before, survey)
	if err != nil {
		t.Fatal(err)
	}
	e := driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(w.url, strings.TrimSuffix(into, "_restored")+"?", into+"?", 1)
	if got := postgrestest.Value(t, url, "select count(*) from robots"); got != "40" {
		t.Errorf("%s robots are restored, want 40", got)
	}
	if err := restore().Undo(t.Context(), e); err != nil {
		t.Errorf("undo: %v", err)
	}
	// Negative control: where no bundle is good, nothing is restored.
	if err := os.WriteFile(filepath.Join(good[0], "manifest.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if survey, err = a.(driver.Surveyor).Survey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.(driver.Surveyor).PlanAmong(before, survey); err == nil || !strings.Contains(err.Error(), "there is no good bundle with db") {
		t.Errorf("%v", err)
	}
}
