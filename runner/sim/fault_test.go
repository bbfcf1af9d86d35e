package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
)

const faulty = `segue: v1
name: faulty
checks:
  calm: {sim.cell: {cell: a, not: panic}}
guards:
  - {check: calm, fails-for: 3s, do: notify, unknown-for: 2s, then: notify, every: 500ms}
phases:
  - name: one
    steps:
      - name: Set b
        sim.set: {cells: [b], to: one}
      - name: Fault
        sim.panic: {cell: f, in: METHOD}
      - name: Set c
        sim.set: {cells: [c], to: one}
`

func find[E engine.Event](res Result) (found []E) {
	if res.History == nil {
		return nil
	}
	for _, e := range res.History.Events {
		if ev, ok := e.Event.(E); ok {
			found = append(found, ev)
		}
	}
	return found
}

// A driver that panics has failed like any other: the run says so and can be
// rolled back.
func TestAPanicIsAFailureOfItsStep(t *testing.T) {
	for _, method := range []string{"observe", "plan", "apply", "undo", "witness"} {
		t.Run(method, func(t *testing.T) {
			plan := Plan{
				Seed: 1, Runbook: strings.ReplaceAll(faulty, "METHOD", method), Patience: 3,
				Signals: map[int64]engine.Signal{11: {Kind: engine.SignalRollback, Actor: "operator"}},
			}
			if method == "undo" || method == "witness" {
				plan.Signals = map[int64]engine.Signal{14: {Kind: engine.SignalRollback, Actor: "operator"}, 40: {Kind: engine.SignalAbort, Actor: "operator"}}
				plan.Hands = map[int64]map[string]string{13: {"a": "hold"}}
				plan.Runbook += "    gate: {hold: [calm], for: 1h}\n"
			}
			res, err := simulate(t, plan)
			if res.History == nil {
				t.Fatal(err)
			}
			if !strings.Contains(story(res), "the driver panicked: a fault of the driver, in "+method) {
				t.Errorf("the journal does not tell: %v\n%s", err, story(res))
			}
			if res.Cells["c"] != "" || method != "undo" && method != "witness" && (err != nil || res.Cells["b"] != "") {
				t.Errorf("%v, %v\n%s", err, res.Cells, story(res))
			}
		})
	}
}

func TestACheckThatPanicsIsUnknown(t *testing.T) {
	plan := Plan{
		Seed: 1, Runbook: runbookWith("false"),
		Hands:   map[int64]map[string]string{5: {"a": "panic"}},
		Signals: map[int64]engine.Signal{11: {Kind: engine.SignalAbort, Actor: "operator"}},
	}
	plan.Runbook = strings.Replace(plan.Runbook, "do: notify", "do: notify, unknown-for: 2s, then: notify", 1)
	res := mustEnd(t, plan)
	for _, ev := range find[engine.GuardTripped](res) {
		if ev.Unknown && strings.Contains(ev.Reading.Detail, "the driver panicked") {
			return
		}
	}
	t.Errorf("the guard did not see it\n%s", story(res))
}

// A step that ignores also the end of its own time is given up, and a rollback
// comes back to it last.
func TestAStepThatIgnoresItsTimeIsGivenUp(t *testing.T) {
	res, _ := simulate(t, Plan{
		Seed: 3, Patience: 1,
		Runbook: strings.Replace(runbookWith("true"), "      - name: Hang\n", "      - name: Hang\n        timeout: 2s\n", 1) + "    on-failure: rollback\n",
	})
	if d := since(t, res.History, "step.intent", "step.indeterminate"); d > 4*time.Second {
		t.Errorf("it was given up after %s\n%s", d, story(res))
	}
	if got := find[engine.RollbackEnded](res); len(got) == 0 || got[0].Result != engine.Unverified {
		t.Errorf("the rollback: %+v\n%s", got, story(res))
	}
}

// A world that does not answer to the comparison is told, and does not hold the
// run up in silence.
func TestAWorldThatCannotBeComparedIsSaid(t *testing.T) {
	for _, mood := range []string{"silent", "deaf"} {
		t.Run(mood, func(t *testing.T) {
			res, err := simulate(t, Plan{
				Seed: 1, Patience: 1, Hands: map[int64]map[string]string{9: {Mood: mood}},
				Runbook: `segue: v1
name: compared
phases:
  - {name: one, steps: [{name: Set a, sim.set: {cells: [a], to: one}}]}
  - {name: two, steps: [{name: Set b, sim.set: {cells: [b], to: one}}]}
`,
			})
			if !strings.Contains(story(res), "cannot be compared with what the run left") {
				t.Errorf("%v\n%s", err, story(res))
			}
		})
	}
}

// A disk that is full ends the process, not the run: once there is room, it
// goes on from where the journal says.
func TestAFullDiskEndsTheProcessAndNotTheRun(t *testing.T) {
	for at := int64(3); at < 20; at++ {
		res := mustEnd(t, Plan{Seed: 1, Runbook: forward, FullAt: at})
		if bad := judge(res); bad != "" || res.Full != 1 && at < 16 {
			t.Errorf("full from event %d: %s, %d processes ended by it\n%s", at, bad, res.Full, story(res))
		}
	}
}
