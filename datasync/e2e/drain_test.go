package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const sweptThings = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.continuous: {from: a, read: {table: things}, to: b, write: {table: things}, key: [id], version: v, every: 1h, sweep: 10%, remember: "${MEMORY}"}
`

// undone applies a sync from database A to database B, has A written to while
// nobody runs it, as after a kill, and undoes it.
func undone(t *testing.T, text string, env map[string]string, writes string) (last string, kept *driver.Kept, err error) {
	t.Helper()
	a := drivertest.Make(t, text, env, parts()...).Actions["sync"]
	l := &life{}
	if _, err := a.Apply(t.Context(), l.effect(a, t)); err != nil {
		t.Fatal(err)
	}
	postgrestest.Exec(t, env["A"], writes)
	err = a.Undo(t.Context(), l.effect(a, t))
	if errors.As(err, &kept) {
		err = nil
	}
	told, bad := a.(driver.Teller).Tell(l.cursor)
	if bad != nil {
		t.Fatal(bad)
	}
	return string(told[a.Resources()[0].ID]["drained-records"]), kept, err
}

// newer is written last: rows are changed, made and deleted.
const newer = "; update things set n = -1, v = v + 1 where id <= 10; insert into things select x, x, null, 0 from generate_series(1001, 1005) x; delete from things where id between 91 and 94"

func TestAnUndoBringsOverWhatWasWrittenLast(t *testing.T) {
	t.Parallel()
	const slots = "select (select count(*) from pg_replication_slots where database = current_database()) + (select count(*) from pg_publication)"
	for name, c := range map[string]struct {
		text   string
		sink   string // done to what is written to, at first
		before string // done to the source after the sync has begun
		last   string
		equal  bool
		doubt  string
	}{
		"in passes":             {text: sweptThings, last: "19", equal: true},
		"in passes, not to":     {text: strings.Replace(sweptThings, "every: 1h", "every: 1h, drain: false", 1)},
		"that loses its memory": {text: sweptThings, before: "delete from things where id > 50", doubt: "50 of 100 records are gone at once", last: "15"},
		"following":             {text: followThings, last: "19", equal: true},
		"following, not to":     {text: strings.Replace(followThings, "follow: true", "follow: true, drain: false", 1)},
		"whose log is gone": {
			text: followThings, before: "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()",
			last: "15", doubt: "what was deleted there since",
		},
		"truncated": {text: followThings, before: "create temp table kept as select * from things; truncate things; insert into things select * from kept", last: "15", doubt: "truncated"},
		"bad": {
			text: followThings, sink: "alter table things add constraint fits check (n < 5000)", before: "update things set n = 9999, v = v + 1 where id = 50",
			last: "19", doubt: "1 records could not be taken over, the last of them id 50",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := server.Database(t), server.Database(t)
			postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(1, 100) x")
			postgrestest.Exec(t, b, things+";"+c.sink)
			before := c.before
			if before == "" {
				before = "select"
			}
			last, kept, err := undone(t, c.text, map[string]string{"A": a, "B": b, "MEMORY": t.TempDir() + "/memory"}, before+newer)
			if err != nil {
				t.Fatal(err)
			}
			if last != c.last {
				t.Errorf("the undo brought over %q records, want %q", last, c.last)
			}
			// The control: without the drain, or the deletions, the two differ.
			if same := postgrestest.Value(t, a, thingsSum) == postgrestest.Value(t, b, thingsSum); same != c.equal {
				t.Errorf("both sides are equal: %t, want %t", same, c.equal)
			}
			const changed = "select count(*) from things where n = -1 or id > 1000"
			if n := postgrestest.Value(t, b, changed); c.last != "" && n != "15" {
				t.Errorf("%s of 15 changed rows are over", n)
			}
			doubts := strings.Join(kept.Doubts, "; ")
			if (doubts != "") != (c.doubt != "") || !strings.Contains(doubts, c.doubt) {
				t.Errorf("it doubts %q, want %q", doubts, c.doubt)
			}
			if n := postgrestest.Value(t, a, slots); n != "0" {
				t.Errorf("%s slots and publications are left", n)
			}
		})
	}
}

// A source that is away is no drained one: the undo fails, says since when it is
// not known what is missing, and once it answers again brings that over.
func TestAnUndoWhoseSourceIsAwayCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	source := postgrestest.Start(t)
	a, b := source.URL("postgres"), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(1, 100) x")
	postgrestest.Exec(t, b, things)
	made := drivertest.Make(t, followThings, map[string]string{"A": a, "B": b}, parts()...)
	f, l := made.Actions["sync"], &life{}
	if _, err := f.Apply(t.Context(), l.effect(f, t)); err != nil {
		t.Fatal(err)
	}
	postgrestest.Exec(t, a, "select"+newer)
	source.Stop(t)
	err := f.Undo(t.Context(), l.effect(f, t))
	if err == nil || errors.As(err, new(*driver.Kept)) || !strings.Contains(err.Error(), "is not known to have come over to b") {
		t.Errorf("Undo: %v", err)
	}
	source.Restart(t)
	f = made.Again("sync")
	if err := f.Undo(t.Context(), l.effect(f, t)); err != nil && !errors.As(err, new(*driver.Kept)) {
		t.Errorf("Undo: %v", err)
	}
	if postgrestest.Value(t, a, thingsSum) != postgrestest.Value(t, b, thingsSum) {
		t.Error("the two sides differ")
	}
}
