package sim

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/engine"
)

const forward = `segue: v1
name: simulated
checks:
  a-is-two: {sim.cell: {cell: a, is: two}}
  c-counted: {sim.cell: {cell: c, is: "5"}}
  not-broken: {sim.cell: {cell: broken, not: "yes"}}
guards:
  - {check: not-broken, fails-for: 0s, do: rollback, to: phase, every: 500ms}
phases:
  - name: one
    steps:
      - name: Set a and b
        sim.set: {cells: [a, b], to: one}
      - name: Count c
        sim.count: {cell: c, to: 5}
    verify: {within: 5s, checks: [c-counted]}
  - name: two
    steps:
      - name: Set a again
        sim.set: {cells: [a], to: two}
      - name: Nothing to do
        sim.set: {cells: [b], to: one}
      - name: Set d
        sim.set: {cells: [d, e], to: two}
    gate: {hold: [a-is-two], for: 2s, every: 500ms}
`

func TestARunCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		res, err := Run(t.Context(), Plan{Seed: 1, Runbook: forward})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.History.State.Status; got != engine.CompletedStatus {
			t.Errorf("status %s", got)
		}
		want := map[string]string{"a": "two", "b": "one", "c": "5", "d": "two", "e": "two"}
		if d := cmp.Diff(want, res.Cells); d != "" {
			t.Errorf("cells (-want +got):\n%s", d)
		}
		for _, e := range res.History.Events {
			t.Logf("%3d %s %s %+v", e.Seq, e.At.Format("05.000"), e.Event.Type(), e.Event)
		}
	})
}
