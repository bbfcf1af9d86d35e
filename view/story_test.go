package view_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
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

const holder = "here pid 7 (boot 1, pid:[1], started 9)"

// recorded is the history of a run that package report's tests recorded.
func recorded(t testing.TB, name string) *runner.History {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "report", "testdata", name+".journal"))
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

// upTo is the history up to the nth event of a type, from 0.
func upTo(t testing.TB, h *runner.History, typ string, nth int) *runner.History {
	t.Helper()
	for i, e := range h.Events {
		if e.Event.Type() == typ {
			if nth == 0 {
				return &runner.History{Run: h.Run, Runbook: e.Runbook, Events: h.Events[:i+1], Seq: e.Seq}
			}
			nth--
		}
	}
	t.Fatalf("the history has no such %s", typ)
	return nil
}

func end(h *runner.History) time.Time { return h.Events[len(h.Events)-1].At }

// readings are one a check every half second, the last of the second one
// unknown.
func readings(from time.Time, n int) []report.Seen {
	var seen []report.Seen
	for i := range n {
		at := from.Add(time.Duration(i+1) * 500 * time.Millisecond)
		a, b := evidence.Passed("two", "two"), evidence.Passed("no", "not yes")
		if i == n-1 {
			b = evidence.Unsure("no answer within 2s")
		}
		a.At, b.At = at, at
		seen = append(seen, report.Seen{Check: "a-is-two", Reading: a}, report.Seen{Check: "not-broken", Reading: b})
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

// growing is a source whose history grows by an event at each event's time.
type growing struct {
	h    *runner.History
	from int // events that are there at once
	seen []report.Seen
}

func (g growing) Follow(ctx context.Context, fn func(*runner.History) error) error {
	for n := g.from; n <= len(g.h.Events); n++ {
		e := g.h.Events[n-1]
		wait := time.NewTimer(time.Until(e.At))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
		if err := fn(&runner.History{Run: g.h.Run, Runbook: e.Runbook, Events: g.h.Events[:n:n], Seq: e.Seq}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (g growing) Readings(_ context.Context, since time.Time) ([]report.Seen, error) {
	var out []report.Seen
	for _, s := range g.seen {
		if !s.Reading.At.Before(since) && !s.Reading.At.After(time.Now()) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (g growing) Holder(context.Context) (string, error) { return holder, nil }
