package sim

import (
	"strings"
	"testing"

	"github.com/segue-run/segue/engine"
)

const slow = `segue: v1
name: slow
checks:
  calm: {sim.cell: {cell: b, not: one}}
  suite: {sim.cell: {cell: a, is: one, takes: 20s, timeout: TIMEOUT}}
phases:
  - name: one
    steps:
      - name: Set a
        sim.set: {cells: [a], to: one}
        verify: {within: 1m, checks: [suite]}
    on-failure: rollback
    rollback: {verify: {checks: [calm]}}
`

// A suite of tests takes longer than a look at a number; the runbook says so.
func TestACheckMayTakeTheTimeThatTheRunbookGivesIt(t *testing.T) {
	for timeout, verified := range map[string]bool{"30s": true, "3s": false} {
		t.Run(timeout, func(t *testing.T) {
			res, err := simulate(t, Plan{Seed: 1, Runbook: strings.ReplaceAll(slow, "TIMEOUT", timeout)})
			if res.History == nil {
				t.Fatal(err)
			}
			passed := false
			for _, e := range res.History.Events {
				if v, ok := e.Event.(engine.VerifyPassed); ok && v.Of == "one/set-a" {
					passed = true
				}
			}
			if passed != verified {
				t.Errorf("verified: %t; the run is %s (%v)\n%s", passed, res.History.State.Status, err, story(res))
			}
		})
	}
}
