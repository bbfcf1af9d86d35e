package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/state"
)

func TestWhatAStepCountsIsShown(t *testing.T) {
	const id = "nats:c/APP/stream/NEW"
	after := state.Face{id: {
		"exists": json.RawMessage("true"),
		"cannot": json.RawMessage(`["the times of copied messages"]`),
		"ledger": json.RawMessage(`{"subjects":{"a.>":{"old":1000000,"relay":3,"new":1000003}},"forwarded":2,"ownerless_ms":18.5}`),
		"counts": json.RawMessage(`{"by day":{"monday":1},"none":{},"list":[1,2]}`),
		"token":  json.RawMessage(`{"$sealed":"abc"}`),
	}}
	told := beside(after, state.Face{id: {"exists": json.RawMessage("true")}})
	if len(told[id]) != 4 || beside(after, after) != nil {
		t.Fatalf("told: %v", told)
	}
	p := &page{}
	back := state.Face{id: {"ledger": json.RawMessage(`{"forwarded":7}`)}}
	p.told(&Report{
		Steps:     []*Step{{ID: "move/it", Attempts: []StepAttempt{{Attempt: 1, Told: told}}}},
		Rollbacks: []*Rollback{{Undos: []*Undo{{Step: "move/it", Told: back}, {Step: "another"}}}},
	})
	want := []string{
		"## What the steps counted", "### move/it: cannot", "- the times of copied messages",
		`- by day: {"monday":1}`, "- none: {}", "- list: [1,2]",
		"### move/it: ledger", "- forwarded: 2", "- ownerless ms: 18.5",
		"### move/it: ledger, on the way back", "- forwarded: 7",
		"| subjects | new     | old     | relay |", "| a.>      | 1000003 | 1000000 | 3     |",
	}
	var missing []string
	for _, line := range want {
		if !strings.Contains(p.b.String(), line) {
			missing = append(missing, line)
		}
	}
	if missing != nil || strings.Contains(p.b.String(), "abc") {
		t.Errorf("missing (-want +got):\n%s", cmp.Diff(missing, strings.Split(p.b.String(), "\n")))
	}
}
