package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/segue-run/segue/engine"
)

const lengthy = `segue: v1
name: lengthy
phases:
  - name: one
    steps:
      - name: Count
        sim.count: {cell: c, to: 30000}
`

// A step that takes long says how far it is, now and then, and how long it will
// yet take.
func TestALongStepSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		res, err := Run(t.Context(), Plan{Seed: 1, Runbook: lengthy})
		if err != nil {
			t.Fatal(err)
		}
		var last, ended time.Time
		var told []engine.StepProgress
		for _, e := range res.History.Events {
			switch ev := e.Event.(type) {
			case engine.StepIntent:
				last = e.At
			case engine.StepProgress:
				if gap := e.At.Sub(last); gap < 5*time.Second {
					t.Errorf("told %s after the last time", gap)
				}
				last, told = e.At, append(told, ev)
			case engine.StepDone:
				ended = e.At
			}
		}
		if len(told) < 2 {
			t.Fatalf("told %d times in a step that ended at %s", len(told), ended)
		}
		p := told[len(told)-1]
		if left := ended.Sub(last); p.Of != 30000 || p.Done <= told[0].Done || p.Left < left*8/10 || p.Left > left*12/10 {
			t.Errorf("told %+v when %s were left", p, left)
		}
	})
}
