package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/integrity"
)

// note is a column that only the repaired side has, and nobody compares.
const wrong = `alter table new.t add note text default 'kept'; update new.t set note = 'of ' || id;
	update new.t set name = null, doc = '{"x": [1, "two"]}' where id in (1, 2); delete from new.t where id in (3, 4); insert into new.t (id, name, n, note) values (9001, 'more', 1.50, 'n')`

// repairing is a world in which the new side is wrong, and the step that repairs it.
func repairing(t testing.TB, extra string) (world, func() driver.Action) {
	t.Helper()
	w := fresh(t, "create table t (id bigint primary key, name text, n numeric, at timestamptz, doc jsonb, live boolean, raw bytea);"+
		`insert into t select i, 'robot ' || i, i * 1.5, '2026-01-01 00:00:00+00'::timestamptz + i * interval '1 s', jsonb_build_object('i', i), i % 2 = 0, '\x00ff' from generate_series(1, 20) i`)
	w.do(t, wrong)
	made := drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
phases:
  - name: one
    steps: [{name: it, data.reconcile: {from: db, read: {table: %s.t}, to: db, write: {table: %s.t}, ignore: [note], extra: %s, settle: 0s, keep: "${KEEP}"}}]
`, w.old, w.new, extra), map[string]string{"DB": w.url, "KEEP": filepath.Join(t.TempDir(), "kept.jsonl")}, slices.Concat(postgres.Parts(), web.Parts(), integrity.Parts())...)
	return w, func() driver.Action { return made.Again("it") }
}

func (w world) all(t testing.TB, schema string) string {
	t.Helper()
	return postgrestest.Value(t, w.url, fmt.Sprintf("select string_agg(t::text, e'\\n' order by id) from %s.t t", schema))
}

func (w world) differ(t testing.TB) string {
	t.Helper()
	return postgrestest.Value(t, w.url, w.named(`select count(*) from (select id, name, n, at, doc, live, raw from old.t) a
		full join (select id, name, n, at, doc, live, raw from new.t) b using (id) where (a.name, a.n, a.at, a.doc, a.live, a.raw) is distinct from (b.name, b.n, b.at, b.doc, b.live, b.raw)`))
}

func TestReconcileMakesOneSideWhatTheOtherIs(t *testing.T) {
	t.Parallel()
	for extra, left := range map[string]string{"keep": "1", "delete": "0"} {
		t.Run(extra, func(t *testing.T) {
			w, action := repairing(t, extra)
			was, truth := w.all(t, w.new), w.all(t, w.old)
			e, costs := carryOut(t, action())
			if !strings.Contains(costs, "2 records are overwritten, 2 written") {
				t.Errorf("it costs %q", costs)
			}
			if got := w.differ(t); got != left {
				t.Errorf("%s records differ after the repair, want %s", got, left)
			}
			if got := w.all(t, w.old); got != truth {
				t.Error("the truth was changed")
			}
			w.do(t, "drop table old.t") // the way back does not need the truth
			if err := action().Undo(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if got := w.all(t, w.new); got != was {
				t.Errorf("undo does not bring back what was there:\n%s\nand was\n%s", got, was)
			}
		})
	}
}

func TestUndoLeavesWhatWasChangedSince(t *testing.T) {
	t.Parallel()
	w, action := repairing(t, "delete")
	e, _ := carryOut(t, action())
	w.do(t, "update new.t set name = 'mine' where id in (2, 4); insert into new.t (id, name) values (9001, 'another')")
	err := action().Undo(t.Context(), e)
	kept, ok := errors.AsType[*driver.Kept](err)
	if !ok || !strings.HasPrefix(kept.What, "3 records") {
		t.Errorf("undo: %v", err)
	}
	if got := postgrestest.Value(t, w.url, w.named("select string_agg(id || ' ' || coalesce(name, '-'), ', ' order by id) from new.t where id in (1, 2, 3, 4, 9001)")); got != "1 -, 2 mine, 4 mine, 9001 another" {
		t.Errorf("the records are %s", got)
	}
}

func TestReconcileRefusesMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	w, _ := repairing(t, "keep")
	made := drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
phases:
  - name: one
    steps: [{name: it, data.reconcile: {from: db, read: {table: %s.t}, to: db, write: {table: %s.t}, ignore: [note], limit: 2, settle: 0s, keep: %q}}]
`, w.old, w.new, filepath.Join(t.TempDir(), "kept")), map[string]string{"DB": w.url}, slices.Concat(postgres.Parts(), integrity.Parts())...)
	if _, err := made.Actions["it"].Observe(t.Context()); err == nil || !strings.Contains(err.Error(), "and more that were not looked at") {
		t.Errorf("%v", err)
	}
}

func TestWalkOfReconcile(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			w, action := repairing(t, "delete")
			return drivertest.World{Action: action, Disturb: func(context.Context) error {
				w.do(t, "update new.t set name = 'mine' where id = 7")
				return nil
			}}
		},
		MayKeep: true, Slow: true, Parallel: true, NothingToDisturb: true, Secrets: []string{postgrestest.Password},
	})
}

// carryOut does what a run does, and returns what undo is given.
func carryOut(t *testing.T, a driver.Action) (e driver.Effect, costs string) {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e = driver.Effect{Before: before, Mine: func() error { return nil }}
	if e.Want, err = a.Plan(before); err != nil {
		t.Fatal(err)
	}
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	costs = a.(driver.Costly).Costs(before, e.Want)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e, costs
}
