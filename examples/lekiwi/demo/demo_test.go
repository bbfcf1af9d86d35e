package demo

import (
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/fleet"
	"github.com/segue-run/segue/examples/lekiwi/ledger"
)

// The last line is for machines, and a demonstration that went wrong fails.
func TestResult(t *testing.T) {
	sound := func() (fleet.Stats, ledger.Result, string) {
		return fleet.Stats{Kinds: map[string]fleet.Counts{"heartbeat http": {Sent: 10, Acked: 10, Repeats: 1}}},
			ledger.Result{New: &ledger.Side{Robots: 10}, Sessions: 3}, "completed"
	}
	const line = "demo: failed_requests=0 lost_heartbeats=0 robots_equal=true teleoperation_equal=true result=completed"
	stats, count, status := sound()
	if got := judge(stats, count, status, time.Minute); got.Line() != line || !got.OK() || got.Repeats != 1 {
		t.Errorf("%s (OK: %t), want %s", got.Line(), got.OK(), line)
	}
	for name, spoil := range map[string]func(*fleet.Stats, *ledger.Result, *string){
		"a request that failed": func(s *fleet.Stats, _ *ledger.Result, _ *string) {
			s.Kinds["poll http"] = fleet.Counts{Sent: 1, Errors: 1}
		},
		"a heartbeat that was lost":       func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.Lost = 1 },
		"one that is there twice":         func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.Doubled = 1 },
		"a robot that is missing":         func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.New.Missing = 1 },
		"one that is another":             func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.New.Differ = 1 },
		"no robot at all":                 func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.New.Robots = 0 },
		"a new system that was not asked": func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.New = nil },
		"a session that is another":       func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.SessionsDiffer = 1 },
		"nobody who drove":                func(_ *fleet.Stats, r *ledger.Result, _ *string) { r.Sessions = 0 },
		"a run that paused":               func(_ *fleet.Stats, _ *ledger.Result, s *string) { *s = "paused" },
	} {
		stats, count, status := sound()
		if spoil(&stats, &count, &status); judge(stats, count, status, time.Minute).OK() {
			t.Errorf("%s passes", name)
		}
	}
}
