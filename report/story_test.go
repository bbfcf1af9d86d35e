package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/runner/sim"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; review the difference")

const migration = `segue: v1
name: cells
roles:
  lead: [bob]
checks:
  a-is-two: {sim.cell: {cell: a, is: two}}
  c-counted: {sim.cell: {cell: c, is: "5"}}
  not-broken: {sim.cell: {cell: broken, not: "yes"}}
guards:
  - {check: not-broken, fails-for: 0s, do: rollback, to: start, every: 500ms}
phases:
  - name: one
    steps:
      - name: Set a and b
        sim.set: {cells: [a, b], to: one}
      - name: Count c
        sim.count: {cell: c, to: 5}
    verify: {within: 5s, checks: [c-counted]}
  - name: two
    steps:
      - name: Set a again
        sim.set: {cells: [a], to: two}
      - name: Nothing to do
        sim.set: {cells: [b], to: one}
    gate: {hold: [a-is-two, not-broken], for: 4s, every: 500ms, deadline: 1m, then: pause}
`

// breaking is the same with a third phase that breaks what the guard watches.
const breaking = migration + `  - name: three
    steps:
      - name: Break it
        sim.set: {cells: [broken], to: "yes"}
      - name: Never reached
        sim.hang: {cell: z}
`

// asking waits for people before its only phase.
const asking = `segue: v1
name: cells
roles:
  lead: [bob]
  platform: [carl]
checks:
  a-is-two: {sim.cell: {cell: a, is: two}}
phases:
  - name: one
    require: [{attest: "Staging has run this", role: platform}]
    approve: {roles: [lead], count: 1, not-by-actor: true}
    steps:
      - name: Set a
        sim.set: {cells: [a], to: two}
`

// deciding waits for people before its second step: whoever only reads the
// journal must see that, too.
const deciding = `segue: v1
name: cells
checks:
  a-is-two: {sim.cell: {cell: a, is: two}}
phases:
  - name: one
    steps:
      - name: Set a
        sim.set: {cells: [a], to: two}
  - name: two
    steps:
      - name: Set b
        sim.set: {cells: [b], to: two}
        approve: {roles: [lead]}
`

// recorded is the history of a simulated run, as it was recorded: witnesses
// come in any order, so that no two simulations are quite the same.
func recorded(t *testing.T, name string, plan sim.Plan) *runner.History {
	t.Helper()
	path := filepath.Join("testdata", name+".journal")
	if _, err := os.Stat(path); *rewrite && err != nil {
		write(t, path, lived(t, plan)) // remove a recording to have it made anew
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cat := &driver.Catalog{}
	cat.Add((&sim.Process{}).Parts()...)
	h := &runner.History{Run: "01JD0000000000000000000000", State: engine.New()}
	for dec := json.NewDecoder(file); dec.More(); {
		var rec journal.Record
		if err := dec.Decode(&rec); err != nil {
			t.Fatal(err)
		}
		if err := h.Take(cat, rec); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// write records a history, a line an event.
func write(t *testing.T, path string, h *runner.History) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range h.Events {
		data, err := json.Marshal(e.Event)
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Encode(journal.Record{Seq: e.Seq, At: e.At.UTC(), Epoch: e.Epoch, Type: e.Event.Type(), Version: engine.Version, Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lived is the history of a simulated run.
func lived(t *testing.T, plan sim.Plan) *runner.History {
	t.Helper()
	var res sim.Result
	var err error
	synctest.Test(t, func(t *testing.T) { res, err = sim.Run(t.Context(), plan) })
	if res.History == nil {
		t.Fatalf("the simulation left no history: %v", err)
	}
	return res.History
}

// until is the history as it was once the given number of events had happened.
func until(h *runner.History, n int) *runner.History {
	cut := &runner.History{Run: h.Run, State: engine.New()}
	for _, e := range h.Events[:n] {
		cut.Runbook, cut.Seq = e.Runbook, e.Seq
		cut.State.Fold(e.Runbook, e.Event, e.At)
		cut.Events = append(cut.Events, e)
	}
	return cut
}

// after is how many events there are up to the first of a type.
func after(t *testing.T, h *runner.History, typ string) int {
	t.Helper()
	for i, e := range h.Events {
		if e.Event.Type() == typ {
			return i + 1
		}
	}
	t.Fatalf("the history has no %s", typ)
	return 0
}

func last(h *runner.History) time.Time { return h.Events[len(h.Events)-1].At }

// passing are readings of checks, every half second from a time on.
func passing(from time.Time, n int, checks ...string) []report.Seen {
	var seen []report.Seen
	for i := range n {
		for _, c := range checks {
			r := evidence.Passed("two", "two")
			r.At = from.Add(time.Duration(i+1) * 500 * time.Millisecond)
			seen = append(seen, report.Seen{Check: c, Reading: r})
		}
	}
	return seen
}

// counting is what a check that claims below 0.1 % counts: so many samples each
// half second, all of them good.
func counting(from time.Time, n, samples int, check string) []report.Seen {
	claim := evidence.Claim{Below: 0.001, Confidence: 0.95}
	var seen []report.Seen
	for i := range n {
		counts := evidence.Counts{Total: float64(i * samples)}
		r := claim.Reading(counts)
		r.At = from.Add(time.Duration(i+1) * 500 * time.Millisecond)
		r.Source, r.Query = "prometheus localhost:9090", `requests_total{status=~"5.."} / requests_total`
		r.Tally = &evidence.Tally{Claim: claim, Begun: from, From: from, Counts: counts, Recent: evidence.Pass}
		seen = append(seen, report.Seen{Check: check, Reading: r})
	}
	return seen
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -rewrite writes it anew):\n%s", path, d)
	}
}
