package report_test

import (
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/runner/sim"
)

const holder = "here pid 7 (boot 1, pid:[1], started 9)"

func TestStatusAndWhy(t *testing.T) {
	told := stories(t)
	whole, broken, partial := told["completed"], told["rolled-back"], told["partial"]
	asked := recorded(t, "asked", sim.Plan{Seed: 1, Runbook: asking, Patience: 3, Signals: map[int64]engine.Signal{
		3: {Kind: engine.SignalApprove, Actor: "operator", Role: "lead", Of: "one"},
	}})
	decided := recorded(t, "deciding", sim.Plan{Seed: 1, Runbook: deciding, Patience: 3})
	gating := until(whole, after(t, whole, "gate.opened"))
	copying := until(whole, after(t, whole, "step.intent"))
	far := runner.Entry{
		Seq: copying.Seq + 1, At: last(copying).Add(2 * time.Second), Runbook: copying.Runbook,
		Event: engine.StepProgress{
			Step: copying.Events[len(copying.Events)-1].Event.(engine.StepIntent).Step,
			Done: 2_150_000, Of: 5_000_000, What: "records", Left: 83 * time.Second, Note: "pausing: 3 sessions of the source wait for locks",
		},
	}
	copying.State.Fold(far.Runbook, far.Event, far.At)
	copying.Events = append(copying.Events, far)
	tests := map[string]struct {
		h      *runner.History
		seen   []report.Seen
		holder string
		now    time.Time
	}{
		"copying":      {copying, nil, holder, far.At.Add(time.Second)},
		"applying":     {until(whole, after(t, whole, "step.intent")), nil, holder, last(gating)},
		"gating":       {gating, passing(last(gating), 4, "a-is-two", "not-broken"), holder, last(gating).Add(2200 * time.Millisecond)},
		"counting":     {gating, append(passing(last(gating), 4, "not-broken"), counting(last(gating), 4, 250, "a-is-two")...), holder, last(gating).Add(2200 * time.Millisecond)},
		"nobody":       {gating, nil, "", last(gating)},
		"completed":    {whole, nil, "", last(whole).Add(time.Hour)},
		"rolling-back": {until(broken, after(t, broken, "undo.done")), nil, holder, last(broken)},
		"rolled-back":  {broken, nil, "", last(broken).Add(time.Hour)},
		"paused":       {until(partial, after(t, partial, "rollback.ended")), nil, "", last(partial)},
		"approval":     {decided, nil, holder, last(decided).Add(90 * time.Second)},
		"people":       {asked, nil, holder, last(asked).Add(90 * time.Second)},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := report.Live(c.h, c.seen, c.now)
			golden(t, "status-"+name+".txt", report.Status(c.h, s, d, c.holder, c.now).Text())
			golden(t, "why-"+name+".txt", report.Why(c.h, s, d, c.holder, c.now).Text())
		})
	}
}
