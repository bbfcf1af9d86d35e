package report_test

import (
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner/sim"
)

// carrying has a way back once its clients are on the new side.
const carrying = `segue: v1
name: carrying
checks:
  clients-on-new: {sim.cell: {cell: clients, is: new}}
phases:
  - name: cutover
    steps:
      - name: New to old
        sim.carry: {from: new, to: old}
      - name: Clients to the new side
        sim.set: {cells: [clients], to: new}
    gate: {hold: [clients-on-new], for: 20s, every: 500ms}
`

// What a rollback would cost is what the way back said last, with its time; once
// nobody says it any more it is not known.
func TestWhatARollbackCostsNow(t *testing.T) {
	h := recorded(t, "carried", sim.Plan{Seed: 3, Runbook: carrying})
	gating := until(h, after(t, h, "gate.opened"))
	opened := last(gating)
	const step = "cutover/new-to-old"
	// behind is what the way back said so long after the gate opened.
	behind := func(after time.Duration, r evidence.Reading) []report.Seen {
		r.At = opened.Add(after)
		return []report.Seen{{Check: engine.Behind(step), Reading: r}}
	}
	stalled := evidence.Unsure("it has not caught up since then")
	stalled.Value = "51s"
	dead := evidence.Unsure("it ended, and is started again: connect to new: connection refused")
	for name, c := range map[string]struct {
		seen   []report.Seen
		holder string
		floor  string
	}{
		"not-said": {nil, holder, ""},
		"fresh":    {behind(59*time.Second, evidence.Passed("400ms", "")), holder, ""},
		"silent":   {behind(45*time.Second, evidence.Passed("400ms", "")), holder, ""},
		"stalled":  {behind(59*time.Second, stalled), holder, ""},
		"dead":     {behind(59*time.Second, dead), holder, ""},
		"nobody":   {behind(59*time.Second, evidence.Passed("400ms", "")), "", ""},
		"floor":    {behind(59*time.Second, evidence.Passed("400ms", "")), holder, step},
	} {
		t.Run(name, func(t *testing.T) {
			now := opened.Add(time.Minute)
			s, d := report.Live(gating, c.seen, now)
			s.Floor = c.floor
			n := report.Status(gating, s, d, c.holder, now)
			golden(t, "cost-"+name+".txt", n.Text())
			for _, cost := range n.Costs {
				if cost.Known != (name == "fresh") {
					t.Errorf("it is known (%t): %+v", cost.Known, cost)
				}
			}
		})
	}
}
