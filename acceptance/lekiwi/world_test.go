package acceptance_test

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/ledger"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/examples/lekiwi/system/systemtest"
)

func TestMain(m *testing.M) { runtest.Main(m) }

// world is a system before its migration, with robots that report and people
// who look at them.
type world struct {
	sys   *system.System
	segue *runtest.Segue

	journal string // of the fleet
	stop    context.CancelFunc
	loaded  chan error
	stats   fleet.Stats
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{sys: systemtest.Start(t, system.Options{LegacyOnly: true, Faults: true})}
	w.segue = runtest.New(t, w.sys.Env.Pairs(), "decommission")
	return w
}

// burden lets the fleet live, and returns when each robot has reported.
func (w *world) burden(t testing.TB, robots int, heartbeats, polls float64) {
	t.Helper()
	w.journal = filepath.Join(t.TempDir(), "fleet.jsonl")
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w.stop, w.loaded = stop, make(chan error, 1)
	cfg := fleet.Config{
		Seed: 7, Run: "acceptance", Journal: w.journal, Robots: robots, WebSocketShare: 0.3, Heartbeats: heartbeats, Polls: polls, Watchers: 5,
		Renew: 10 * time.Second, URL: w.sys.Env.EdgeURL, Gateway: w.sys.Env.FleetAddr,
	}
	go func() {
		var err error
		w.stats, err = fleet.Run(ctx, cfg)
		w.loaded <- err
	}()
	t.Cleanup(stop)
	runtest.Await(t, time.Minute, "each robot to report", func() bool {
		var n api.Count
		return get(t, w.sys.Env.LegacyURL+api.PathRobotCount, &n) == nil && n.Total == robots
	})
}

func get(t testing.TB, url string, into any) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	runtest.Check(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// count ends the load and compares: whoever serves now must have all robots as
// they last said themselves, and no durable heartbeat may be lost or doubled.
func (w *world) count(t testing.TB, legacyServes bool) ledger.Result {
	t.Helper()
	w.stop()
	runtest.Check(t, <-w.loaded)
	j, err := fleet.ReadJournal(w.journal)
	runtest.Check(t, err)
	src := ledger.Source{DatabaseURL: w.sys.Env.DatabaseURL}
	if legacyServes {
		src.LegacyURL = w.sys.Env.LegacyURL
	}
	var r ledger.Result
	wrong := func() int {
		n := r.Lost + r.Doubled + r.OutOfOrder + r.Unexpected + int(r.Gaps) + r.NotRebuilt + r.Failed
		side := r.New
		if legacyServes {
			side = r.Legacy
		}
		return n + side.Missing + side.Stale + side.Differ + side.Extra
	}
	// What robots answered before their last heartbeat may be on its way.
	for end := time.Now().Add(45 * time.Second); ; {
		w, err := ledger.Read(t.Context(), src)
		runtest.Check(t, err)
		if r = ledger.Count(j, w, true); wrong() == 0 || time.Now().After(end) {
			break
		}
	}
	t.Log(r.Line())
	if wrong() != 0 {
		t.Errorf("the ledger: %v", r.Examples)
	}
	return r
}

// runbookFile is the example's own; a proof sets its inputs and nothing else.
func runbookFile() string {
	return filepath.Join(runtest.Root(), "examples", "lekiwi", "runbook.yaml")
}

// set are the inputs of a proof: short times, and bounds that a machine keeps
// which does everything by itself.
func set(more ...string) []string {
	return runtest.Set(append(
		more,
		"parallel-soak=1s", "canary-soak=1s", "quarter-soak=1s", "half-soak=1s", "full-soak=1s", "standby=1s", "standby-look=500ms",
		"gate-every=500ms", "quiet-for=500ms", "sync-every=2s", "data-settle=3s", "tell=false", "escalate=false", "compared=100%", "served-over=10s", "served-within=10%",
		"load-rps=50", "load-for=1s", "load-p99=5s", "ab-runs=2", "errors-below=5%", "p99-below=1s", "p99-above=2.5s", "errors-above=10%", "dead-for=2s", "told-after=3s",
		"disk-used=99%", "memory-used=99%", "processors-used=100%",
	)...)
}

// served waits until a check passes: of what each side serves, say.
func (w *world) served(t testing.TB, check string) {
	t.Helper()
	runtest.Await(t, time.Minute, check, func() bool {
		return w.segue.Call(t, append([]string{"check", runbookFile(), check}, set()...)...).Code == 0
	})
}

// faults makes services do wrong from now on, until the test ends.
func (w *world) faults(t testing.TB, all map[string]service.Fault) {
	t.Helper()
	runtest.Check(t, w.sys.SetFaults(all))
	t.Cleanup(func() { runtest.Check(t, w.sys.SetFaults(nil)) })
}

// rolledBack wants a rollback to end verified, and says how long it took.
func rolledBack(t testing.TB, r *runtest.Run, target string) (start, end runtest.Entry) {
	t.Helper()
	start = r.Until("the rollback", runtest.Is[engine.RollbackStarted](nil))
	if got := start.Event.(engine.RollbackStarted).Target; got != target {
		t.Errorf("rolled back to %s, want %s", got, target)
	}
	end = r.Until("its end", runtest.Is[engine.RollbackEnded](nil))
	if ev := end.Event.(engine.RollbackEnded); ev.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", ev.Result, ev.Why)
	}
	return start, end
}

// systemUp has all services, one of each.
func systemUp(t testing.TB) *system.System {
	t.Helper()
	return systemtest.Start(t, system.Options{Faults: true})
}
