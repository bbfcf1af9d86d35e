package acceptance_test

import (
	"context"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/internal/soak"
)

// Who stops ingest, or takes the bus its majority, loses requests: these faults
// have a system of their own, whose messages nobody counts.
func TestGuardsOfWhatLosesRequests(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable + ": a system of its own takes its time")
	}
	w := newWorld(t)
	w.burden(t)
	prove(t, []proof{
		{"a guard of the phases that only watch", w.afterwards},
		{"a guard when there is no way back", w.atTheEnd},
		{"guards at the door", w.door}, // leaves behind what was never acknowledged
	})
}

// door: nobody is let in, and whoever is let in fails. People are told of it;
// the gate stays shut.
func (w *world) door(t *testing.T) {
	r := w.begin(t, runbookFile(), set("dlq-soak=10m", "stalled-for=2s", "silent-for=5m", "no-writes-for=5m", "bus-fails-for=5m", "lag-for=5m")...)
	r.Gate("dlq")
	stop := func(names ...string) {
		check(t, w.each(t.Context(), names, w.sys.StopProcess))
		t.Cleanup(func() { check(t, w.each(context.WithoutCancel(t.Context()), names, w.sys.StartProcess)) })
	}
	start := func(names ...string) {
		check(t, w.each(t.Context(), names, w.sys.StartProcess))
		check(t, w.sys.AwaitHealthy(t.Context()))
	}
	for _, f := range []struct {
		guard   string
		stopped []string
	}{
		{"ingest-rate", []string{system.Ingest}},
		{"ingest-errors", []string{system.Node(2), system.Node(3)}}, // and with them the majority that stores
	} {
		struck := time.Now()
		stop(f.stopped...)
		w.tripped(t, r, f.guard, "notify", struck)
		start(f.stopped...)
	}
	if passed := all[engine.GatePassed](r); len(passed) > 1 { // the one of preflight
		t.Errorf("gates have opened: %v", passed)
	}
	w.emergency(t, r)
}

// afterwards: validation has begun, and a node is lost. What there is to put
// back is phase 2.
func (w *world) afterwards(t *testing.T) {
	r := w.begin(t, runbookFile(), later("t-5m=10m", "bus-fails-for=2s")...)
	r.Gate("validate-5m")
	heal := w.loseNode(t)
	ev := w.tripped(t, r, "bus-healthy-after", "rollback", time.Now())
	ended := r.Until("the end of the rollback", is[engine.RollbackEnded](nil)).Event.(engine.RollbackEnded)
	r.End(3)
	if ev.To != "core" || ended.Result != engine.Verified {
		t.Errorf("the rollback to %s ended %s: %v", ev.To, ended.Result, ended.Why)
	}
	heal()
	w.must(t, 0, "rollback", "emergency", "--run", r.ID, "--wait", "0s", "--as", "dora")
	w.back(t, w.goOn(t, r.ID))
}

// atTheEnd: the deletion waits for its approval, and a node is lost: a person
// decides.
func (w *world) atTheEnd(t *testing.T) {
	w.steady(t)
	r := w.begin(t, runbookFile(), later("bus-fails-for=2s")...)
	r.Leave("delete-athlete-ally-events")
	r.Until("the backup", is(func(ev engine.StepDone) bool { return ev.Step == "cleanup/back-the-database-up" }))
	heal := w.loseNode(t)
	w.tripped(t, r, "bus-healthy-at-the-end", "pause", time.Now())
	r.Until("the pause", is(func(ev engine.Paused) bool { return ev.By == "guard:bus-healthy-at-the-end" }))
	heal()
	w.emergency(t, r)
}

// loseNode stops a NATS node; heal has it back.
func (w *world) loseNode(t *testing.T) (heal func()) {
	t.Helper()
	check(t, w.sys.StopProcess(t.Context(), system.Node(3)))
	t.Cleanup(func() { check(t, w.sys.StartProcess(context.WithoutCancel(t.Context()), system.Node(3))) })
	return func() {
		check(t, w.sys.StartProcess(t.Context(), system.Node(3)))
		check(t, w.sys.AwaitHealthy(t.Context()))
	}
}

// tripped waits for a guard, and wants that it does so.
func (w *world) tripped(t *testing.T, r *running, guard, do string, struck time.Time) engine.GuardTripped {
	t.Helper()
	at := r.Until("guard "+guard, is(func(ev engine.GuardTripped) bool { return ev.Guard == guard }))
	ev := at.Event.(engine.GuardTripped)
	if ev.Do != do || ev.Unknown {
		t.Errorf("guard %s does %s (unknown: %t), want %s", guard, ev.Do, ev.Unknown, do)
	}
	t.Logf("%s tripped %s after the fault (%s)", guard, at.At.Sub(struck).Round(10*time.Millisecond), ev.Reading.Value+" "+ev.Reading.Detail)
	return ev
}
