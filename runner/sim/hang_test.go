package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runner"
)

const hanging = `segue: v1
name: hanging
checks:
  calm: {sim.cell: {cell: a, not: one}}
guards:
  - {check: calm, fails-for: 3s, do: notify, every: 500ms}
phases:
  - name: one
    steps:
      - name: Set a
        sim.set: {cells: [a], to: one}
      - name: Hang
        sim.hang: {cell: h, ignores: IGNORES}
`

func runbookWith(ignores string) string { return strings.ReplaceAll(hanging, "IGNORES", ignores) }

// since is the time from the first event of one type to the first of another.
func since(t *testing.T, h *runner.History, from, to string) time.Duration {
	t.Helper()
	var a, b time.Time
	for _, e := range h.Events {
		if e.Event.Type() == from && a.IsZero() {
			a = e.At
		}
		if e.Event.Type() == to && b.IsZero() {
			b = e.At
		}
	}
	if a.IsZero() || b.IsZero() {
		t.Fatalf("no %s or no %s in the journal", from, to)
	}
	return b.Sub(a)
}

func TestAHangingStepHoldsUpNeitherAbortNorRollbackNorGuards(t *testing.T) {
	for _, ignores := range []string{"false", "true"} {
		for _, kind := range []engine.SignalKind{engine.SignalAbort, engine.SignalRollback} {
			t.Run(string(kind)+", ignoring cancellation: "+ignores, func(t *testing.T) {
				// The guard's notice comes while the step hangs; the person
				// acts when it has been journaled.
				plan := Plan{Seed: 3, Runbook: runbookWith(ignores), Signals: map[int64]engine.Signal{11: {Kind: kind, Actor: "operator"}}}
				res := mustEnd(t, plan)
				since(t, res.History, "step.intent", "guard.tripped")
				want, to := engine.AbortedStatus, "run.aborted"
				if kind == engine.SignalRollback {
					want, to = engine.RolledBackStatus, "undo.intent"
				}
				if got := res.History.State.Status; got != want {
					t.Errorf("the run is %s, not %s\n%s", got, want, story(res))
				}
				if d := since(t, res.History, "signal.taken", to); d > time.Second {
					t.Errorf("from the signal to %s it took %s\n%s", to, d, story(res))
				}
				if kind == engine.SignalRollback && (res.Cells["a"] != "" || res.Cells["h"] != "") {
					t.Errorf("the world is not as before: %v\n%s", res.Cells, story(res))
				}
			})
		}
	}
}
