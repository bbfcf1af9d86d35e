package acceptance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/internal/soak"
)

// aStep of the runbook, and when in it the rollback is asked for.
type aStep struct {
	id     string
	middle bool // between its intent and its outcome; else when it is done, and the next may have begun
}

// steps are all of both phases.
func steps() []aStep {
	return []aStep{
		{"dlq/create-aa-dlq", true},
		{"dlq/test-aa-dlq", false},
		{"vendor/create-aa-vendor-hot-owning-nothing-yet", false},
		{"vendor/create-normalize-oura-on-it", true},
		{"vendor/deploy-the-release-that-reads-both", true},
		{"vendor/before-the-move-the-old-stream-receives", false},
		{"vendor/move-vendor", true},
		{"vendor/after-the-move-the-new-stream-receives", false},
	}
}

func (w *world) rollbacks(t *testing.T) {
	for i, s := range steps() {
		if !soak.Case(i, 3) {
			continue
		}
		name := "after "
		if s.middle {
			name = "in "
		}
		t.Run(name+s.id, func(t *testing.T) { w.rollbackFrom(t, s) })
	}
}

func (w *world) rollbackFrom(t *testing.T, s aStep) {
	began := time.Now()
	r := w.begin(t, runbookFile(), set()...)
	if s.middle {
		r.Until("the intent of "+s.id, is(func(ev engine.StepIntent) bool { return ev.Step == s.id }))
		r.Stop() // it cannot end the step before it hears of this
		w.must(t, 0, "rollback", "--run", r.ID, "--wait", "0s", "--as", "dora")
		r.GoesOn()
	} else {
		r.Until("the end of "+s.id, is(func(ev engine.StepDone) bool { return ev.Step == s.id }))
		w.must(t, 0, "rollback", "--run", r.ID, "--as", "dora")
	}
	start := r.Until("the rollback", is[engine.RollbackStarted](nil))
	ended := r.Until("its end", is[engine.RollbackEnded](nil))
	r.End(3)
	if ended := ended.Event.(engine.RollbackEnded); ended.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", ended.Result, ended.Why)
	}
	if got := w.statusOf(t, r.ID); got != engine.RolledBackStatus {
		t.Errorf("the run is %s", got)
	}
	undo := start.Event.(engine.RollbackStarted).Undo
	if !slices.Contains(undo, s.id) {
		t.Fatalf("undone is %v, and not %s", undo, s.id)
	}
	done := all[engine.UndoDone](r)
	actuation := time.Duration(0)
	if len(done) > 0 {
		actuation = done[len(done)-1].At.Sub(start.At)
	}
	if actuation > 10*time.Second {
		t.Errorf("actuation took %s", actuation)
		for _, ev := range done {
			u := ev.Event.(engine.UndoDone)
			t.Logf("  %s undone at %s, in %d ms", u.Step, ev.At.Format(time.TimeOnly), u.Millis)
		}
	}
	w.restored(t, w.before, r)
	t.Logf("from %s: %d steps undone in %s, verified after %s, %s in all%s", undo[0], len(done), actuation.Round(time.Millisecond),
		ended.At.Sub(start.At).Round(time.Millisecond), time.Since(began).Round(100*time.Millisecond), keptBy(done))
}

func keptBy(done []entry) string {
	var b strings.Builder
	for _, ev := range done {
		if k := ev.Event.(engine.UndoDone).Kept; k != nil {
			fmt.Fprintf(&b, "\n  kept: %s (%s)", k.What, k.Cost)
		}
	}
	return b.String()
}

// statusOf is a run's status by segue status.
func (w *world) statusOf(t testing.TB, id string) engine.Status {
	t.Helper()
	return w.program.StatusOf(t, id)
}
