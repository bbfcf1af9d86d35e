// Package journaltest is what every journal.Store must pass. A store's own
// test calls Run, and Main from its TestMain when other processes can reach
// what it stores:
//
//	func TestMain(m *testing.M) { journaltest.Main(m, open) }
//	func TestStore(t *testing.T) { journaltest.Run(t, fresh) }
package journaltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/journal"
)

// A Place is where a store's data lies: a directory, a database.
type Place struct {
	// Open opens the store there. Each call gives another handle, as another
	// process would have; the suite closes it.
	Open func() (journal.Store, error)
	// Full leaves no room for what s, or any other handle, would write, until
	// the function it returns is called.
	Full func(t *testing.T, s journal.Store) (room func())
	// Location is what another process opens, see Main. "" when none can:
	// then there are no tests with processes.
	Location string
	// Damages are the ways to spoil the data while no handle is open.
	Damages []Damage
}

// A Damage must be found by opening the store or by reading all runs.
type Damage struct {
	Name string
	Do   func(t *testing.T)
}

// Run tests a store. fresh makes an empty place that lives as long as t.
func Run(t *testing.T, fresh func(*testing.T) Place) {
	for name, tests := range map[string][]test{
		"log":        logTests,
		"lease":      leaseTests,
		"inbox":      inboxTests,
		"claims":     claimTests,
		"readings":   readingTests,
		"deliveries": deliveryTests,
		"follow":     followTests,
		"full":       fullTests,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					t.Parallel()
					tt.run(t, newFixture(t, fresh(t)))
				})
			}
		})
	}
	t.Run("damage", func(t *testing.T) { testDamage(t, fresh) })
	if fresh(t).Location != "" {
		t.Run("processes", func(t *testing.T) { testProcesses(t, fresh) })
	}
}

type test struct {
	name string
	run  func(*testing.T, *fixture)
}

// A fixture is a place with one handle open.
type fixture struct {
	journal.Store
	place Place
}

func newFixture(t *testing.T, p Place) *fixture {
	t.Helper()
	return &fixture{Store: open(t, p), place: p}
}

// open gives another handle.
func open(t *testing.T, p Place) journal.Store {
	t.Helper()
	s, err := p.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

const run = "01RUN"

// start is when all tests begin; the suite owns the clock.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

const ttl = 10 * time.Second

// event is record number n, with contents that depend on it.
func event(n int) journal.Record {
	return journal.Record{
		At:      start.Add(time.Duration(n) * time.Millisecond),
		Type:    []string{"step.intended", "step.done", "check.read"}[n%3],
		Version: 1 + n%2,
		Data:    json.RawMessage(fmt.Sprintf(`{"n":%d,"text":"Überholspur <%d>"}`, n, n*n)),
	}
}

func events(from, to int) []journal.Record {
	var out []journal.Record
	for n := from; n <= to; n++ {
		out = append(out, event(n))
	}
	return out
}

// stored is how events from…to are read back when they were written in epoch.
func stored(from, to int, epoch int64) []journal.Record {
	out := events(from, to)
	for i := range out {
		out[i].Seq, out[i].Epoch = int64(from+i), epoch
	}
	return out
}

func (f *fixture) create(t *testing.T, id string, first ...journal.Record) {
	t.Helper()
	if err := f.Create(t.Context(), id, "topology", start, first); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) acquire(t *testing.T, holder string, now time.Time) journal.Lease {
	t.Helper()
	l, err := f.Acquire(t.Context(), run, holder, now, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (f *fixture) append(t *testing.T, l journal.Lease, now time.Time, last int64, records ...journal.Record) {
	t.Helper()
	got, err := f.Append(t.Context(), l, now, last, records)
	if err != nil {
		t.Fatal(err)
	}
	if want := last + int64(len(records)); got != want {
		t.Fatalf("last sequence after the append: %d, want %d", got, want)
	}
}

func (f *fixture) wantRecords(t *testing.T, want ...journal.Record) {
	t.Helper()
	got, err := f.Read(t.Context(), run, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "records", got, want)
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if reflect.DeepEqual(got, want) { // a thousand times faster for long logs
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}
