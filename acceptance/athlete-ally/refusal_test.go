package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asTheSeedSays creates AA_VENDOR_HOT with vendor.>, which the old stream
// still has: step 1.1 of the operators' own runbook.
const asTheSeedSays = `segue: v1
name: as-the-seed-says
connections:
  bus: {nats: {url: "${NATS_URL}", system: "${NATS_SYSTEM_CREDS}"}}
phases:
  - name: dlq
    steps:
      - name: Create AA_DLQ
        nats.stream: {on: bus, name: AA_DLQ, subjects: ["dlq.>"], storage: file, max-age: 14d, replicas: 3}
  - name: vendor
    steps:
      - name: Create AA_VENDOR_HOT
        nats.stream: {on: bus, name: AA_VENDOR_HOT, subjects: ["vendor.>"], storage: file, max-age: 48h, replicas: 3}
`

func (w *world) refused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seed.yaml")
	check(t, os.WriteFile(file, []byte(asTheSeedSays), 0o600))
	before := w.look(t)
	for _, args := range [][]string{{"plan", file}, {"run", file, "--plain"}} {
		r := w.segue(t, args...)
		t.Logf("segue %s: exit %d\n%s", args[0], r.Code, r)
		if r.Code != 1 {
			t.Errorf("segue %s: exit %d, want 1", args[0], r.Code)
		}
		for _, part := range []string{
			"seed.yaml:12:", "JetStream refuses that stream AA_VENDOR_HOT takes", "vendor.>", "ATHLETE_ALLY_EVENTS", "(10065)",
			"closed: true", "nats.move",
		} {
			if !strings.Contains(r.String(), part) {
				t.Errorf("segue %s does not say %q", args[0], part)
			}
		}
	}
	if d := cmp.Diff(before, w.look(t)); d != "" {
		t.Errorf("something was touched (-before +after):\n%s", d)
	}
	if runs := w.program.Runs(t); len(runs) != 0 {
		t.Errorf("a run was made: %v", runs)
	}
}
