package acceptance_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/internal/soak"
)

// A fault is something that really breaks, and the guard that is there for it.
type fault struct {
	name     string
	guards   []string // one of these rolls back
	notified []string // and these have told of it before
	phase    string   // in whose gate it strikes, and which is put back
	unknown  bool     // the guard's check has no answer, rather than a bad one
	strike   func(context.Context) error
	heal     func(context.Context) error
	// seldom: it takes long to be sure of, so `make soak` alone has it.
	seldom bool
	// relayed: what a relay needed on the legacy stream cannot be taken away
	// meanwhile; the next handover does it.
	relayed bool
}

func (w *world) faults() []fault {
	stop := func(names ...string) func(context.Context) error {
		return func(ctx context.Context) error { return w.each(ctx, names, w.sys.StopProcess) }
	}
	start := func(names ...string) func(context.Context) error {
		return func(ctx context.Context) error { return w.each(ctx, names, w.sys.StartProcess) }
	}
	both := []string{system.Normalize(0), system.Normalize(1)}
	return []fault{
		{"normalize is stopped", []string{"messages-come"}, nil, "dlq", false, stop(both...), start(both...), false, false},
		{"a NATS node is stopped", []string{"bus-healthy"}, nil, "vendor", false, stop(system.Node(3)), start(system.Node(3)), false, true},
		{"PostgreSQL is stopped", []string{"rows-written"}, nil, "vendor", true, stop(system.Postgres), start(system.Postgres), true, false},
		{
			"normalize dead-letters everything",
			[]string{"errors-not-most", "hrv-errors-not-most"},
			[]string{"errors-few", "hrv-errors-few"},
			"vendor", false,
			func(ctx context.Context) error { return w.sys.DeadLetterAll(ctx, true) },
			func(ctx context.Context) error { return w.sys.DeadLetterAll(ctx, false) },
			true, false,
		},
	}
}

// locked: nothing can be written for long. Processing falls below 1/min, and
// lag grows: people are told; when no row has come for too long, it goes back.
func (w *world) locked(t *testing.T) {
	r := w.begin(t, runbookFile(), set("rate-window=4s", "vendor-soak=10m", "lag-for=2s", "stalled-for=2s", "no-writes-for=8s")...)
	var release func()
	w.strike(t, r, fault{
		"hrv_data is locked",
		[]string{"rows-written"},
		[]string{"lag-small", "processing"},
		"vendor", false,
		func(context.Context) error { release = w.holdUp(t); return nil },
		func(context.Context) error {
			if release != nil {
				release()
			}
			release = nil
			return nil
		},
		true, false,
	})
	w.must(t, 0, "rollback", "--run", r.id, "--wait", "0s", "--as", "dora")
	w.goOn(t, r.id).end(3)
	w.restored(t, w.before, r)
}

func (w *world) each(ctx context.Context, names []string, do func(context.Context, string) error) error {
	for _, name := range names {
		if err := do(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// guards is one run that is carried on anew after each fault: each strikes while
// a phase's gate is open, and that phase is put back to its start.
func (w *world) guards(t *testing.T) {
	// Several guards see one fault: these times part them. Rows stop with
	// messages, and must be missed later; without a database, before (it has no
	// answer at once, and messages stop a window later); and errors before either:
	// first they are told of, and then they are too many.
	// The gate stays open for longer than it takes to see a fault behind a burst
	// of redelivered messages.
	r := w.begin(t, runbookFile(), set("rate-window=10s", "dlq-soak=1s", "vendor-soak=10s", "bus-fails-for=2s", "silent-for=9s", "no-writes-for=7s", "errors-told-for=2s", "errors-for=10s")...)
	withDLQ := w.before // what the rollback of vendor leaves
	withDLQ.Owner = maps.Clone(w.before.Owner)
	withDLQ.Owner["dlq.test"] = event.StreamDLQ
	for _, f := range w.faults() {
		if f.seldom && !soak.On() {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			r.on(t)
			w.strike(t, r, f)
			want := withDLQ
			if f.phase == "dlq" {
				want = w.before
			}
			if f.relayed {
				want = want.relayed()
			}
			w.restored(t, want, r)
		})
		if t.Failed() {
			return
		}
		w.must(t, 0, "resume", "--run", r.id, "--wait", "0s", "--as", "dora")
		r = w.goOn(t, r.id)
	}
	t.Run("Prometheus is stopped", func(t *testing.T) {
		r.on(t)
		w.withoutPrometheus(t, r)
		w.restored(t, w.before, r)
	})
}

func (r *running) gate(phase string) entry {
	r.t.Helper()
	return r.until("the gate of "+phase, is(func(ev engine.GateOpened) bool { return ev.Phase == phase }))
}

func (w *world) strike(t *testing.T, r *running, f fault) {
	r.gate(f.phase)
	struck := time.Now()
	check(t, f.strike(t.Context()))
	t.Cleanup(func() { // whatever became of the proof
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 40*time.Second)
		defer cancel()
		if err := f.heal(ctx); err != nil {
			t.Errorf("heal: %v", err)
		}
	})
	tripped := r.until("the guard", is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	guard := tripped.Event.(engine.GuardTripped)
	if !slices.Contains(f.guards, guard.Guard) || guard.To != "phase" || guard.Unknown != f.unknown {
		t.Errorf("tripped: %s to %s (unknown: %t), want %v to phase (unknown: %t)", guard.Guard, guard.To, guard.Unknown, f.guards, f.unknown)
	}
	for _, name := range f.notified {
		if !slices.ContainsFunc(all[engine.GuardTripped](r), func(ev entry) bool {
			g := ev.Event.(engine.GuardTripped)
			return g.Guard == name && g.Do == "notify"
		}) {
			t.Errorf("%s has not told of it", name)
		}
	}
	start := r.until("the rollback", is[engine.RollbackStarted](nil))
	if ev := start.Event.(engine.RollbackStarted); ev.Phase != f.phase || ev.Start || ev.By != "guard:"+guard.Guard {
		t.Errorf("rolled back to %s by %s", ev.Phase, ev.By)
	}
	done := r.until("its end", is[engine.RollbackEnded](nil))
	ended := done.Event.(engine.RollbackEnded)
	t.Logf("%s tripped %s after the fault (%s), rollback %s %s later: %s %s", guard.Guard, tripped.At.Sub(struck).Round(10*time.Millisecond),
		guard.Reading.Value+guard.Reading.Detail, ended.Result, done.At.Sub(start.At).Round(10*time.Millisecond), strings.Join(ended.Why, "; "), keptBy(all[engine.UndoDone](r)))
	if ended.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", ended.Result, ended.Why)
	}
	r.end(3)
	if got := w.statusOf(t, r.id); got != engine.PausedStatus {
		t.Errorf("the run is %s", got)
	}
	check(t, f.heal(t.Context()))
	check(t, w.sys.AwaitHealthy(t.Context()))
	// A guard that has failed for long goes off as soon as the run goes on.
	await(t, 30*time.Second, "messages to be seen to come again", func() bool {
		return w.segue(t, "check", runbookFile(), "messages-come", "--set", "silent-for=9s").code == 0
	})
}

// withoutPrometheus: what is measured is unknown, so the gate stays shut and
// says why; a rollback needs none of it.
func (w *world) withoutPrometheus(t *testing.T, r *running) {
	opened := r.gate("vendor")
	check(t, w.sys.StopProcess(t.Context(), system.Prometheus))
	t.Cleanup(func() { check(t, w.sys.StartProcess(context.WithoutCancel(t.Context()), system.Prometheus)) })
	r.until("errors-few to be unknown", is(func(ev engine.CheckTurned) bool {
		return ev.Check == "errors-few" && ev.Reading.Verdict == evidence.Unknown
	}))
	await(t, 30*time.Second, "more than the gate's time", func() bool { return time.Since(opened.At) > 5*time.Second })
	if passed := all[engine.GatePassed](r); len(passed) > 0 && passed[len(passed)-1].Event.(engine.GatePassed).Phase == "vendor" {
		t.Fatalf("the gate has passed without Prometheus")
	}
	why := w.must(t, 0, "why", r.id).out
	t.Logf("segue why:\n%s", why)
	for _, part := range []string{"errors-few", "unknown", "connection refused"} {
		if !strings.Contains(why, part) {
			t.Errorf("segue why does not say %q", part)
		}
	}
	w.must(t, 0, "rollback", "--run", r.id, "--as", "dora")
	r.end(3)
	if got := w.statusOf(t, r.id); got != engine.RolledBackStatus {
		t.Errorf("the run is %s", got)
	}
	check(t, w.sys.StartProcess(t.Context(), system.Prometheus))
	check(t, w.sys.AwaitHealthy(t.Context()))
}
