package acceptance_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

// A fault is something that really breaks, and the guard that is there for it.
type fault struct {
	name   string
	phase  string // in whose gate it strikes
	guard  string
	target string
	served string // the check of what each side serves afterwards
	strike func(*testing.T)
	heal   func(*testing.T)
}

func (w *world) everyFault() []fault {
	teleoperation := system.Instance(system.Teleoperation, 0)
	discovery := func(f service.Fault) func(*testing.T) {
		return func(t *testing.T) { runtest.Check(t, w.sys.SetFaults(map[string]service.Fault{system.Discovery: f})) }
	}
	well := func(t *testing.T) { runtest.Check(t, w.sys.SetFaults(nil)) }
	return []fault{
		{
			"a critical service is stopped", "canary", "teleoperation-at-10", "canary_10", "none-served",
			func(t *testing.T) { runtest.Check(t, w.sys.StopProcess(t.Context(), teleoperation)) },
			func(t *testing.T) {
				runtest.Check(t, w.sys.StartProcess(context.WithoutCancel(t.Context()), teleoperation))
				runtest.Check(t, w.sys.AwaitHealthy(context.WithoutCancel(t.Context())))
			},
		},
		{
			"rows are corrupted", "quarter", "rows-at-25", "data_corruption", "none-served",
			func(t *testing.T) { w.corrupt(t) },
			// The rollback has healed it; what was on its way while services were kept
			// out failed, and a guard that begins anew would see that.
			func(t *testing.T) { w.served(t, "errors-now", "doctor-window=10s") },
		},
		{
			"the new system takes 600 ms", "half", "p99-at-50", "rollout_50", "quarter-served",
			discovery(service.Fault{DelayMS: 600}), well,
		},
		{
			"2 % of its answers are errors", "full", "errors-at-100", "full_100", "half-served",
			discovery(service.Fault{Errors: 0.02}), well,
		},
	}
}

// corrupt writes into rows of the read model past the services.
func (w *world) corrupt(t *testing.T) {
	t.Helper()
	w.onDatabase(t, func(ctx context.Context, conn *pgx.Conn) {
		_, err := conn.Exec(ctx, "UPDATE robots SET ip_address = '0.0.0.0' WHERE id IN (SELECT id FROM robots ORDER BY id LIMIT 20)")
		runtest.Check(t, err)
	})
}

func (w *world) onDatabase(t *testing.T, do func(context.Context, *pgx.Conn)) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, w.sys.Env.DatabaseURL)
	runtest.Check(t, err)
	defer conn.Close(ctx)
	do(ctx, conn)
}

// Each guard of the seed sees what it is there for, and puts its phase back to
// where the one before it was; then the run goes on, through the same phase, to
// the next fault. At last Prometheus is away: that holds a gate, and no rollback.
func TestGuardsOfTheSeed(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 1000, 250, 60)
	inputs := set("errors-above=1%", "p99-above=500ms", "errors-below=1%", "p99-below=500ms", "canary-soak=5s", "quarter-soak=5s", "half-soak=5s", "full-soak=5s")
	r := w.segue.Begin(t, runbookFile(), inputs...)
	for _, f := range w.everyFault() {
		if !t.Run(f.name, func(t *testing.T) { r.On(t); w.strike(t, r, f) }) {
			return
		}
		w.segue.Must(t, 0, "resume", "--run", r.ID, "--wait", "0s", "--as", "dora")
		r = w.segue.GoOn(t, r.ID)
	}
	t.Run("Prometheus is stopped", func(t *testing.T) { r.On(t); w.withoutPrometheus(t, r) })
	w.count(t, true)
}

func (w *world) strike(t *testing.T, r *runtest.Run, f fault) {
	r.Gate(f.phase)
	struck := time.Now()
	f.strike(t)
	tripped := r.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	guard := tripped.Event.(engine.GuardTripped)
	if guard.Guard != f.guard || guard.To != f.target {
		t.Errorf("tripped: %s to %s, want %s to %s", guard.Guard, guard.To, f.guard, f.target)
	}
	start, end := rolledBack(t, r, f.target)
	t.Logf("%s tripped %s after the fault (%s %s); all was back %s later", guard.Guard, tripped.At.Sub(struck).Round(10*time.Millisecond),
		guard.Reading.Value, guard.Reading.Detail, end.At.Sub(start.At).Round(10*time.Millisecond))
	r.End(3)
	f.heal(t)
	w.served(t, f.served)
}

// withoutPrometheus: what is measured is unknown, so the gate stays shut and
// says why; a rollback needs none of it.
func (w *world) withoutPrometheus(t *testing.T, r *runtest.Run) {
	opened := r.Gate("full")
	runtest.Check(t, w.sys.StopProcess(t.Context(), system.Prometheus))
	t.Cleanup(func() { runtest.Check(t, w.sys.StartProcess(context.WithoutCancel(t.Context()), system.Prometheus)) })
	// It may have been unknown before, for want of evidence.
	runtest.Await(t, time.Minute, "errors-rare to be unknown as Prometheus does not answer", func() bool {
		type check struct {
			Name    string
			Reading evidence.Reading
		}
		var now struct{ Checks []check }
		w.segue.Now(t, r.ID, &now)
		return slices.ContainsFunc(now.Checks, func(c check) bool {
			return c.Name == "errors-rare" && c.Reading.Verdict == evidence.Unknown && strings.Contains(c.Reading.Detail, "refused")
		})
	})
	runtest.Await(t, time.Minute, "more than the gate's time", func() bool { return time.Since(opened.At) > 10*time.Second })
	for _, ev := range runtest.All[engine.GatePassed](r) {
		if ev.Event.(engine.GatePassed).Phase == "full" {
			t.Fatal("the gate has passed without Prometheus")
		}
	}
	w.segue.Must(t, 0, "rollback", "emergency", "--run", r.ID, "--as", "dora")
	rolledBack(t, r, "emergency")
	r.End(3)
	if got := w.segue.StatusOf(t, r.ID); got != engine.RolledBackStatus {
		t.Errorf("the run is %s", got)
	}
}
