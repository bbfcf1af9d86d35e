package sim

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/engine"
)

// A secret may be a word that also stands in a step's name, in the identity of
// a resource, in a value of the world or in the year: nothing of that may break
// the journal, be taken for drift, or be put back as a mask.
func TestASecretThatStandsElsewhereTooBreaksNothing(t *testing.T) {
	words := []string{"2000", "cell", "set-a", "true", "verified", "not-broken", "operator", "forward"}
	values := []string{"twowho", "onewho"}
	for name, plan := range map[string]Plan{
		"known":        {Secrets: append(words, values...)},
		"learnt later": {Secrets: words, Learnt: values},
	} {
		plan.Seed, plan.Runbook = 1, secretive
		plan.Signals = map[int64]engine.Signal{22: {Kind: engine.SignalRollback, Actor: "operator"}}
		t.Run(name, func(t *testing.T) {
			whole := mustEnd(t, plan)
			if got := whole.History.State.Status; got != engine.RolledBackStatus || len(whole.Cells) > 0 {
				t.Fatalf("%s, %v\n%s", got, whole.Cells, story(whole))
			}
			for at := 1; at <= whole.Boundaries[0]; at += 2 {
				plan.CrashAt = []int{at}
				got := mustEnd(t, plan)
				if d := cmp.Diff(whole.Cells, got.Cells); d != "" {
					t.Fatalf("crash at boundary %d: the world differs (-whole +crashed):\n%s\n%s", at, d, story(got))
				}
				for _, e := range got.History.Events {
					if d, ok := e.Event.(engine.DriftFound); ok && !d.Between {
						t.Fatalf("crash at boundary %d: a false drift, %v\n%s", at, d.Changes, story(got))
					}
					if f, ok := e.Event.(engine.StepFailed); ok {
						t.Fatalf("crash at boundary %d: %s\n%s", at, f.Error, story(got))
					}
				}
			}
		})
	}
}

const secretive = `segue: v1
name: secretive
checks:
  not-broken: {sim.cell: {cell: broken, not: "yes"}}
guards:
  - {check: not-broken, fails-for: 0s, do: rollback, to: phase, every: 500ms}
phases:
  - name: one
    steps:
      - name: Set a and b
        sim.set: {cells: [a, b], to: onewho}
      - name: Count c
        sim.count: {cell: c, to: 2}
  - name: two
    steps:
      - name: Set a again
        sim.set: {cells: [a], to: twowho}
      - name: Set d
        sim.set: {cells: [d], to: forward}
    gate: {hold: [not-broken], for: 2s, every: 500ms}
`
