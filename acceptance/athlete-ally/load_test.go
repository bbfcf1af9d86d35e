package acceptance_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/internal/soak"
)

// runbookFile is the example's own; a proof sets its inputs and nothing else.
func runbookFile() string { return filepath.Join(root(), "examples", "athlete-ally", "runbook.yaml") }

// set are the inputs of a proof: short times. Guards that are not the proof's
// subject have time enough to stay quiet.
func set(more ...string) []string {
	var out []string
	given := map[string]bool{}
	for _, kv := range slices.Concat(more, []string{
		"dlq-soak=300ms", "vendor-soak=10m", "gate-every=300ms", "rate-window=5s", "quiet-for=300ms", "drain-within=20s",
		"run-tests=false", "rate-tolerance=50%", "latency-tolerance=2000%", "bus-fails-for=20s", "stalled-for=30s", "silent-for=30s", "lag-for=30s", "errors-for=30s", "errors-told-for=30s", "no-writes-for=30s",
		// At 60 messages a second so much is proven in a second or two.
		"errors-below=30%", "errors-below-5m=20%", "errors-below-24h=20%",
	}) {
		if name, _, _ := strings.Cut(kv, "="); !given[name] {
			given[name] = true
			out = append(out, "--set", kv)
		}
	}
	return out
}

// A proof is a part of a test, on the system that all its proofs share.
type proof struct {
	name string
	run  func(*testing.T)
}

// prove does one after the other, and ends with the first that fails: what
// follows would find the system in the middle of a run.
func prove(t *testing.T, proofs []proof) {
	for _, p := range proofs {
		if !t.Run(p.name, p.run) {
			t.FailNow()
		}
	}
}

// long is a proof for `make soak` alone.
func long(run func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		if !soak.On() {
			t.Skip("only with " + soak.Variable)
		}
		run(t)
	}
}

// One system and one load serve all proofs, one after the other: each finds the
// system as the one before left it, and the ledger counts over all of them. The
// whole migration deletes the legacy stream, so it comes last.
func TestUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.burden(t)
	prove(t, []proof{
		{"the seed's AA_VENDOR_HOT is refused before anything is touched", w.refused},
		{"troubleshooting", w.troubleshooting}, // while there is no AA_CORE_HOT yet
		{"a rollback from every step", w.rollbacks},
		{"guards see real faults", w.guards},
		{"guards tell of what holds everything up", long(w.locked)},
		{"the risk list", w.riskList},
		{"two runs on one resource", w.twoRuns},
		{"a runner that was stopped for longer than its lease", w.successor},
		{"an emergency in the middle of the move of phase 2", w.inTheMove},
		{"an emergency after phase 2, in two goes", long(w.inTwoGoes)},
		{"blue and green, and an emergency while the deletion waits for its approval", long(w.blueGreen)},
		{"secrets stay secret", w.secrets}, // leaves other environments behind
		{"the whole migration", w.whole},
	})
	if r := w.count(t); r.Lost+r.Doubled+r.OutOfOrder+r.Ingest5xx+r.Unexpected+r.ProbesLeft != 0 {
		t.Errorf("ledger: %s\n%v", r.Line(), r.Examples)
	}
}
