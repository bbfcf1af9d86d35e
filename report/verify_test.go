package report_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/runner/sim"
)

// TestSoundJournalsAreFoundSound replays runs that crashed, lost answers and
// were told to pause or to roll back.
func TestSoundJournalsAreFoundSound(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		plan := sim.Plan{Seed: seed, Runbook: migration}
		if seed%3 == 1 {
			plan.Runbook = breaking
		}
		for range rng.IntN(4) {
			plan.CrashAt = append(plan.CrashAt, 1+rng.IntN(90))
		}
		plan.Faults = sim.Faults{LostAnswer: rng.Float64() * 0.2, LostWrite: rng.Float64() * 0.1, Late: rng.Float64() * 0.2}
		switch rng.IntN(4) {
		case 0:
			plan.Signals = map[int64]engine.Signal{int64(3 + rng.IntN(30)): {Kind: engine.SignalRollback, Actor: "operator"}}
		case 1:
			plan.Signals = map[int64]engine.Signal{int64(3 + rng.IntN(30)): {Kind: engine.SignalPause, Actor: "operator"}}
		case 2:
			plan.Signals = map[int64]engine.Signal{int64(20 + rng.IntN(10)): {Kind: engine.SignalRollback, Actor: "operator", Of: "one"}}
		}
		h := lived(t, plan)
		for _, f := range report.Verify(h) {
			t.Errorf("seed %d: event %d: %s", seed, f.Seq, f.Problem)
			for _, e := range h.Events[max(0, int(f.Seq)-8):f.Seq] {
				t.Logf("  %d %s e%d %s", e.Seq, e.At.Format("05.000"), e.Epoch, report.Sentence(e.Event))
			}
		}
		if t.Failed() {
			return
		}
	}
}

// find is the place of the nth event of a type, from 0.
func find(t *testing.T, h *runner.History, typ string, nth int) int {
	t.Helper()
	for i, e := range h.Events {
		if e.Event.Type() == typ {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	t.Fatalf("the history has no such %s", typ)
	return 0
}

// TestDoctoredJournalsAreFound plants in a sound journal what must be found.
func TestDoctoredJournalsAreFound(t *testing.T) {
	told := stories(t)
	drop := func(h *runner.History, i int) {
		h.Events = append(h.Events[:i:i], h.Events[i+1:]...)
		for j := i; j < len(h.Events); j++ {
			h.Events[j].Seq--
		}
	}
	tests := map[string]struct {
		story  string
		doctor func(t *testing.T, h *runner.History)
		want   string
	}{
		"an event is missing": {"completed", func(_ *testing.T, h *runner.History) {
			h.Events = append(h.Events[:9:9], h.Events[10:]...)
		}, "the journal has a gap"},
		"an intent is missing, and the rest is numbered anew": {"completed", func(t *testing.T, h *runner.History) {
			drop(h, find(t, h, "step.intent", 0))
		}, "without ever having been intended"},
		"the gate's opening is missing": {"completed", func(t *testing.T, h *runner.History) {
			drop(h, find(t, h, "gate.passed", 0))
		}, "does not follow"},
		"a phase is declared ready that nobody looked at": {"completed", func(t *testing.T, h *runner.History) {
			drop(h, find(t, h, "phase.started", 1))
		}, "does not follow"},
		"a gate opens too early": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "gate.passed", 0)
			ev := h.Events[i].Event.(engine.GatePassed)
			c := ev.Clocks["a-is-two"]
			c.Held -= time.Second
			ev.Clocks["a-is-two"] = c
		}, "although a-is-two had held for"},
		"a gate opens on a failing check": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "gate.passed", 0)
			ev := h.Events[i].Event.(engine.GatePassed)
			r := ev.Readings["a-is-two"]
			r.Verdict = 2
			ev.Readings["a-is-two"] = r
		}, "although a-is-two was fail"},
		"a gate opens without the evidence for its claim": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "gate.passed", 0)
			ev := h.Events[i].Event.(engine.GatePassed)
			r, c := ev.Readings["a-is-two"], ev.Clocks["a-is-two"]
			r.Tally = &evidence.Tally{Claim: evidence.Claim{Below: 0.001, Confidence: 0.95}, Counts: evidence.Counts{Total: 1e6}}
			c.Soak = &evidence.Soak{Counts: evidence.Counts{Total: 30}}
			ev.Readings["a-is-two"], ev.Clocks["a-is-two"] = r, c
		}, "did not have the evidence for below 0.1 % at 95 %"},
		"a clock runs faster than time": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "gate.held", 1)
			ev := h.Events[i].Event.(engine.GateHeld)
			c := ev.Clocks["a-is-two"]
			c.Held += time.Minute
			ev.Clocks["a-is-two"] = c
		}, "has held for 1m"},
		"a verification is claimed on a check that failed": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "verify.passed", 0)
			ev := h.Events[i].Event.(engine.VerifyPassed)
			r := ev.Readings["c-counted"]
			r.Verdict, r.At = 2, r.At.Add(time.Millisecond)
			ev.Readings["c-counted"] = r
		}, "does not follow"},
		"another step is done": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "step.done", 0)
			ev := h.Events[i].Event.(engine.StepDone)
			ev.After = nil
			h.Events[i].Event = ev
		}, "is said to be done, and left"},
		"a failed rollback is called verified": {"rolled-back", func(t *testing.T, h *runner.History) {
			i := find(t, h, "undo.witnessed", 0)
			ev := h.Events[i].Event.(engine.Witnessed)
			ev.Error = "the world serves something else"
			h.Events[i].Event = ev
		}, "does not follow"},
		"an undo is left out": {"rolled-back", func(t *testing.T, h *runner.History) {
			drop(h, find(t, h, "undo.done", 0))
		}, "does not follow"},
		"a guard fires without cause": {"rolled-back", func(t *testing.T, h *runner.History) {
			i := find(t, h, "guard.tripped", 0)
			ev := h.Events[i].Event.(engine.GuardTripped)
			ev.Reading.Verdict = 1
			h.Events[i].Event = ev
		}, "on a reading that passes"},
		"a guard goes elsewhere": {"rolled-back", func(t *testing.T, h *runner.History) {
			i := find(t, h, "guard.tripped", 0)
			ev := h.Events[i].Event.(engine.GuardTripped)
			ev.To = "two"
			h.Events[i].Event = ev
		}, "does rollback start, not rollback two"},
		"a refused approval is taken": {"partial", func(t *testing.T, h *runner.History) {
			i := find(t, h, "signal.refused", 0)
			ev := h.Events[i].Event.(engine.SignalRefused)
			h.Events[i].Event = engine.SignalTaken{Message: ev.Message, Signal: ev.Signal}
		}, "should have been refused"},
		"a signature is forged": {"partial", func(t *testing.T, h *runner.History) {
			i := find(t, h, "signal.taken", 0)
			ev := h.Events[i].Event.(engine.SignalTaken)
			ev.Signal.Key, ev.Signal.Signature = "a2V5", "c2lnbmF0dXJl"
			h.Events[i].Event = ev
		}, "is not that of its key"},
		"somebody wrote without the lease": {"completed", func(_ *testing.T, h *runner.History) {
			h.Events[12].Epoch = 9
		}, "epoch 9"},
		"an epoch comes again": {"completed", func(t *testing.T, h *runner.History) {
			i := find(t, h, "run.acquired", 1)
			h.Events[i].Event = engine.Acquired{Holder: "process 1", Epoch: 1}
			h.Events[i].Epoch = 1
		}, "epochs only grow"},
		"time goes back": {"completed", func(_ *testing.T, h *runner.History) {
			h.Events[12].At = h.Events[12].At.Add(-time.Hour)
		}, "the clock was set back"},
		"the text was changed": {"completed", func(_ *testing.T, h *runner.History) {
			ev := h.Events[0].Event.(engine.Created)
			ev.Text += "# nothing to see here\n"
			h.Events[0].Event = ev
		}, "does not have the digest"},
		"something happens after the end": {"completed", func(_ *testing.T, h *runner.History) {
			e := h.Events[len(h.Events)-1]
			e.Seq++
			e.Event = engine.StepFailed{Step: "one/count-c"}
			h.Events = append(h.Events, e)
		}, "the run was completed before"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			h := stories(t)[c.story]
			if f := report.Verify(told[c.story]); len(f) > 0 {
				t.Fatalf("the sound journal has findings: %v", f)
			}
			c.doctor(t, h)
			var all []string
			for _, f := range report.Verify(h) {
				all = append(all, f.Problem)
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
				t.Errorf("want %q, got findings:\n%s", c.want, text)
			}
		})
	}
}
