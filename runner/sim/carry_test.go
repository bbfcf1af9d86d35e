package sim

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/segue-run/segue/engine"
)

// carrying brings clients to the new side, whose words are carried back. Its
// order is the wrong one for that: undone in reverse, the way back is asked before
// the clients are back.
const carrying = `segue: v1
name: carrying
checks:
  not-broken: {sim.cell: {cell: broken, not: "yes"}}
guards:
  - {check: not-broken, fails-for: 0s, do: rollback, to: start, every: 500ms}
phases:
  - name: cutover
    steps:
      - name: Clients to the new side
        sim.set: {cells: [clients], to: new}
      - name: New to old
        sim.carry: {from: new, to: old}
    gate: {hold: [not-broken], for: 20s, every: 500ms}
`

// done are the events of undos, in a word each.
func done(events []engine.Event) (out []string) {
	for _, ev := range events {
		switch ev := ev.(type) {
		case engine.UndoDone:
			out = append(out, ev.Step+" undone")
		case engine.UndoFailed:
			out = append(out, ev.Step+" failed")
		case engine.UndoHeld:
			out = append(out, ev.Step+" held")
		case engine.RollbackEnded:
			out = append(out, ev.Result)
		}
	}
	return out
}

// The new side does not answer: that is said, and the clients are brought back
// all the same; when it answers again a retry brings over what was said last.
func TestASourceThatIsAwayHoldsUpNoUndo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		res, err := Run(t.Context(), Plan{Seed: 3, Runbook: carrying, Hands: map[int64]map[string]string{
			9:  {"new": "away", "broken": "yes"},
			23: {"new": "last words"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var events []engine.Event
		for _, e := range res.History.Events {
			events = append(events, e.Event)
			t.Logf("%3d %s %s %+v", e.Seq, e.At.Format("05.000"), e.Event.Type(), e.Event)
		}
		const way, clients = "cutover/new-to-old", "cutover/clients-to-the-new-side"
		want := []string{
			way + " failed", clients + " undone", way + " failed", way + " failed", engine.RolledFail,
			clients + " undone", way + " undone", engine.Verified,
		}
		if got := done(events); !slices.Equal(got, want) {
			t.Errorf("undos:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if res.Cells["old"] != "last words" || res.Cells["clients"] != "" {
			t.Errorf("cells: %v", res.Cells)
		}
	})
}

// A way back that gets on says how far behind it is, one that does not that this
// is not known, and since when.
func TestTheWayBackSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		res, err := Run(t.Context(), Plan{Seed: 3, Runbook: carrying, Hands: map[int64]map[string]string{
			14: {"new": "away"},
			24: {"new": "back"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, e := range res.History.Events {
			if ev, ok := e.Event.(engine.CheckTurned); ok && ev.Check == engine.Behind("cutover/new-to-old") {
				said = append(said, ev.Reading.Verdict.String())
				if ev.Reading.Value == "" || ev.Reading.At.IsZero() {
					t.Errorf("it does not say since when: %+v", ev.Reading)
				}
			}
			t.Logf("%3d %s %s %+v", e.Seq, e.At.Format("05.000"), e.Event.Type(), e.Event)
		}
		if want := []string{"pass", "unknown", "pass"}; !slices.Equal(said, want) {
			t.Errorf("it said %v, want %v", said, want)
		}
	})
}
