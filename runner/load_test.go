package runner_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/memory"
	"github.com/segue-run/segue/runner"
)

const long = `segue: v1
name: long
checks: {one: {quiet: {}}}
phases: [{name: one, gate: {hold: [one], for: 336h}}]
`

func quiet() *driver.Catalog {
	c := &driver.Catalog{}
	c.Add(driver.Checks(driver.About{Name: "quiet"}, func(context.Context, driver.Conn, struct{}) (driver.Check, error) {
		return nil, nil //nolint:nilnil // it is never made
	}))
	return c
}

// recorded is a run that has waited at a gate for n checkpoints.
func recorded(tb testing.TB, n int) journal.Store {
	tb.Helper()
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	record := func(ev engine.Event) journal.Record {
		data, err := json.Marshal(ev)
		if err != nil {
			tb.Fatal(err)
		}
		return journal.Record{At: at, Type: ev.Type(), Version: engine.Version, Data: data}
	}
	records := []journal.Record{record(engine.Created{Name: "long", File: "long.yaml", Text: long, Actor: "ann"})}
	for i := range n {
		records = append(records, record(engine.GateHeld{Phase: "one", Clocks: map[string]evidence.Hold{
			"one": {Held: time.Duration(i) * time.Second, Last: at, Passes: i}, "two": {Held: time.Duration(i) * time.Second},
		}, Spent: time.Duration(i)}))
	}
	store := (&memory.Disk{}).Open()
	if err := store.Create(context.Background(), "r", "long", at, records); err != nil {
		tb.Fatal(err)
	}
	return store
}

func TestARunIsWhatItsJournalSays(t *testing.T) {
	h, err := runner.Load(t.Context(), recorded(t, 10), quiet(), "r")
	if err != nil {
		t.Fatal(err)
	}
	if h.Seq != 11 || h.State.Name != "long" || h.State.Phases["one"].Clocks["one"].Passes != 9 {
		t.Errorf("folded %d events to %+v", h.Seq, h.State)
	}
}

// Benchmark100kEvents is the fold of a run of weeks.
func Benchmark100kEvents(b *testing.B) {
	store := recorded(b, 100_000)
	for b.Loop() {
		if _, err := runner.Load(b.Context(), store, quiet(), "r"); err != nil {
			b.Fatal(err)
		}
	}
}
