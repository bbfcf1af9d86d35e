package engine_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

const gated = `segue: v1
name: script
checks:
  errors: {look: {cell: x}}
guards:
  - {check: errors, do: rollback, fails-for: 10s, every: 1s, unknown-for: 10s, then: pause}
phases:
  - name: one
    steps:
      - name: Change x
        change: {cell: x}
    gate: {hold: [errors], for: 1h, every: 5s, max-gap: 20s}
`

// atTheGate is a run that waits at its gate.
func atTheGate(t interface{ Fatal(...any) }) *script {
	rb, err := runbook.Parse("r.yaml", []byte(gated), kinds{}, runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	c := &script{rb: rb, s: engine.New(), now: at, start: at, intents: map[string]engine.StepIntent{}}
	for _, text := range []string{"start", "observe one/change-x before=x:0 want=x:1", "done one/change-x after=x:1"} {
		cmd, args, err := datadriven.ParseLine(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(&datadriven.TestData{Cmd: cmd, CmdArgs: args}); err != nil {
			t.Fatal(err)
		}
		c.journal()
	}
	return c
}

// Clocks of gates and alarms of guards take readings in the order of their
// times: what comes late, or again, was never read.
func TestAReadingOutOfOrderOrTwiceChangesNothing(t *testing.T) {
	stands := func(c *script) string {
		raw, err := json.Marshal(map[string]any{"checks": c.s.Checks, "guards": c.s.Guards, "phase": c.s.Phases["one"]})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	rapid.Check(t, func(t *rapid.T) {
		c, twin := atTheGate(t), atTheGate(t)
		var all []evidence.Reading
		total := 0
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			c.now = c.now.Add(time.Duration(rapid.IntRange(1, 8_000).Draw(t, "ms")) * time.Millisecond)
			total += rapid.IntRange(0, 300).Draw(t, "total")
			r := evidence.Reading{At: c.now, Verdict: evidence.Verdict(rapid.IntRange(0, 2).Draw(t, "verdict"))}
			if rapid.Bool().Draw(t, "counts") {
				recent := r.Verdict.String()
				r = counted(c.now, c.start, func(key string) string {
					return map[string]string{"total": fmt.Sprint(total), "recent": recent}[key]
				})
			}
			all = append(all, r)
			c.s.NoteReading(c.rb, "errors", r)
			twin.s.NoteReading(twin.rb, "errors", r)
			for range rapid.IntRange(0, 2).Draw(t, "again") {
				twin.s.NoteReading(twin.rb, "errors", rapid.SampledFrom(all).Draw(t, "which"))
			}
			if d := cmp.Diff(stands(c), stands(twin)); d != "" {
				t.Fatalf("-in order +with late and doubled readings:\n%s", d)
			}
		}
	})
}
