package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/engine"
)

var (
	seeds = flag.Int("seeds", 1000, "how many random simulations")
	seed  = flag.Uint64("seed", 0, "only this one, with its journal")
)

// simulate runs a plan in a bubble of its own.
func simulate(t *testing.T, plan Plan) (res Result, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { res, err = Run(t.Context(), plan) })
	return res, err
}

func mustEnd(t *testing.T, plan Plan) Result {
	t.Helper()
	res, err := simulate(t, plan)
	if err != nil {
		t.Fatalf("%+v: %v\n%s", plan.CrashAt, err, story(res))
	}
	return res
}

func story(res Result) string {
	if res.History == nil {
		return "(no journal)"
	}
	var b strings.Builder
	for _, e := range res.History.Events {
		text := fmt.Sprintf("%+v", e.Event)
		if len(text) > 300 {
			text = text[:300] + "…"
		}
		fmt.Fprintf(&b, "%3d e%d %s %s %s\n", e.Seq, e.Epoch, e.At.Format("04:05.000"), e.Event.Type(), strings.ReplaceAll(text, "\n", " "))
	}
	for _, w := range res.World.Writes() {
		fmt.Fprintf(&b, "write by %d at %s: %s=%s\n", w.By, w.At.Format("04:05.000"), w.Cell, w.Value)
	}
	return b.String()
}

func TestACrashAtAnyBoundaryLeavesTheSameWorldAndTheSameJournal(t *testing.T) {
	plans := map[string]Plan{
		"forwards":        {Seed: 1, Runbook: forward},
		"back by hand":    {Seed: 1, Runbook: forward, Signals: map[int64]engine.Signal{27: {Kind: engine.SignalRollback, Actor: "operator"}}},
		"back to a phase": {Seed: 1, Runbook: forward, Signals: map[int64]engine.Signal{27: {Kind: engine.SignalRollback, Actor: "operator", Of: "two"}}},
	}
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			whole := mustEnd(t, plan)
			n := whole.Boundaries[0]
			for at := 1; at <= n; at++ {
				plan.CrashAt = []int{at}
				got := mustEnd(t, plan)
				if d := cmp.Diff(whole.Cells, got.Cells); d != "" {
					t.Fatalf("crash at boundary %d: the world differs (-whole +crashed):\n%s\n%s", at, d, story(got))
				}
				// Nobody else has touched the world: the only thing to stop on is
				// a step that was cut off half-way.
				for _, e := range got.History.Events {
					if d, ok := e.Event.(engine.DriftFound); ok && !d.Between {
						t.Fatalf("crash at boundary %d: a false drift, %v\n%s", at, d.Changes, story(got))
					}
				}
				if name == "forwards" || got.History.State.Status == whole.History.State.Status {
					if d := cmp.Diff(whole.History.State.Outline(), got.History.State.Outline()); d != "" {
						t.Fatalf("crash at boundary %d: the folded journal differs (-whole +crashed):\n%s\n%s", at, d, story(got))
					}
				}
			}
			t.Logf("%d boundaries", n)
		})
	}
}

// chance makes a plan out of a seed: crashes, faults of the network, and
// perhaps a person who changes their mind.
func chance(seed uint64) (plan Plan, back bool) {
	rng := rand.New(rand.NewPCG(seed, 7))
	plan = Plan{Seed: seed, Runbook: forward}
	for range rng.IntN(4) {
		plan.CrashAt = append(plan.CrashAt, 1+rng.IntN(90))
	}
	p := func() float64 {
		if rng.IntN(2) == 0 {
			return 0
		}
		return rng.Float64() * 0.25
	}
	plan.Faults = Faults{LostAnswer: p(), LostWrite: p(), Doubled: p(), Late: p()}
	switch rng.IntN(4) {
	case 0:
		plan.Signals = map[int64]engine.Signal{int64(3 + rng.IntN(30)): {Kind: engine.SignalRollback, Actor: "operator"}}
		back = true
	case 1:
		plan.Signals = map[int64]engine.Signal{int64(3 + rng.IntN(30)): {Kind: engine.SignalPause, Actor: "operator"}}
	}
	return plan, back
}

func TestNoSeedLosesOrLies(t *testing.T) {
	from, to := uint64(1), uint64(*seeds)
	if *seed != 0 {
		from, to = *seed, *seed
	}
	crashes, helped, back := 0, 0, 0
	for n := from; n <= to; n++ {
		plan, _ := chance(n)
		res, err := simulate(t, plan)
		if *seed != 0 {
			t.Log(story(res))
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", n, err, story(res))
		}
		if bad := judge(res); bad != "" {
			t.Fatalf("seed %d: %s (go test ./runner/sim -run NoSeed -seed %d)\n%s", n, bad, n, story(res))
		}
		crashes += res.Processes - 1
		helped += res.Helped
		if res.History.State.Status == engine.RolledBackStatus {
			back++
		}
	}
	t.Logf("%d simulations, %d further processes, %d rolled back, a person helped %d times", to-from+1, crashes, back, helped)
}

// judge says what is wrong with how a simulation ended, "" if nothing.
func judge(res Result) string {
	s := res.History.State
	want := map[string]string{"a": "two", "b": "one", "c": "5", "d": "two", "e": "two"}
	switch s.Status {
	case engine.CompletedStatus:
	case engine.RolledBackStatus:
		want = map[string]string{"a": "", "b": "", "c": "", "d": "", "e": ""}
	default:
		return "it ended " + string(s.Status)
	}
	for cell, v := range want {
		if res.Cells[cell] != v {
			return fmt.Sprintf("the run is %s, yet cell %s holds %q, not %q", s.Status, cell, res.Cells[cell], v)
		}
	}
	return oneWriter(res)
}

// oneWriter: once a successor has written, nothing of its predecessor arrives
// but what was already on its way.
func oneWriter(res Result) string {
	first := map[int]Write{}
	for _, w := range res.World.Writes() {
		if _, seen := first[w.By]; !seen {
			first[w.By] = w
		}
		for by, f := range first {
			if by > w.By && w.At.Sub(f.At) > lateBy {
				return fmt.Sprintf("process %d wrote %s at %s, after process %d had taken over at %s", w.By, w.Cell, w.At, by, f.At)
			}
		}
	}
	return ""
}
