package view_test

import (
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/view"
)

// BenchmarkScene is a look at a run that has waited at a gate for days: ten
// thousand checkpoints and five minutes of readings.
func BenchmarkScene(b *testing.B) {
	h := recorded(b, "completed")
	gate := upTo(b, h, "gate.opened", 0)
	events := append([]runner.Entry(nil), gate.Events...)
	at := end(gate)
	for range 10_000 {
		e := events[len(events)-1]
		at = at.Add(30 * time.Second)
		e.Seq, e.At = e.Seq+1, at
		e.Event = engine.GateHeld{Phase: "two", Clocks: map[string]evidence.Hold{"a-is-two": {}, "not-broken": {}}}
		events = append(events, e)
	}
	gate = &runner.History{Run: h.Run, Runbook: h.Runbook, Events: events, Seq: int64(len(events))}
	seen := readings(at.Add(-5*time.Minute), 600)
	for b.Loop() {
		view.Draw(view.NewScene(gate, seen, holder, at), 80, 24, view.Colours())
	}
}
