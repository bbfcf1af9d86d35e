package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/state"
)

func indexed(table string) changeParams {
	return changeParams{
		changeBase: changeBase{
			Do:      fill("alter table TABLE add column source text; create index TABLE_source on TABLE (source)", table),
			Observe: fill("select string_agg(relname, ' ' order by relname) from pg_class where relname in ('TABLE', 'TABLE_source', 'TABLE_other')", table),
			Want:    fill("TABLE TABLE_source", table),
		},
		Undo:  fill("alter table TABLE drop column if exists source; drop index if exists TABLE_other", table),
		Holds: "select 0",
	}
}

func fill(sql, table string) string { return strings.ReplaceAll(sql, "TABLE", table) }

// tables makes a fresh table for each world of a walk, all in one database.
type tables struct {
	url string
	db  *DB
	n   int
}

func (f *tables) fresh(t testing.TB, with string) string {
	t.Helper()
	f.n++
	table := fmt.Sprintf("hrv%d", f.n)
	f.exec(t, fill("create table TABLE (id int) ", table)+with)
	return table
}

func (f *tables) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := f.db.pool.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func newTables(t *testing.T) *tables {
	t.Helper()
	url := server.Database(t)
	return &tables{url: url, db: connect(t, url)}
}

func TestChangeWalks(t *testing.T) {
	db := newTables(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: []string{postgrestest.Password},
		World: func(t testing.TB) drivertest.World {
			table := db.fresh(t, "")
			return drivertest.World{
				Action: func() driver.Action { return actionOn(t, db.db, indexed(table)) },
				Disturb: func(context.Context) error {
					db.exec(t, fill("create index TABLE_other on TABLE (id)", table))
					return nil
				},
			}
		},
	})
}

func TestSettingWalks(t *testing.T) {
	db := newTables(t)
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			table := db.fresh(t, "with (fillfactor = 90)")
			set := fill("alter table TABLE set (fillfactor = ", table)
			return drivertest.World{
				Action: func() driver.Action {
					return actionOn(t, db.db, changeParams{
						changeBase: changeBase{
							Do: set + "70)", Want: int64(70),
							Observe: fill("select substr(reloptions[1], 12) from pg_class where relname = 'TABLE'", table),
						},
						Undo: set + "90)",
					})
				},
				Disturb: func(context.Context) error { db.exec(t, set+"50)"); return nil },
			}
		},
	})
}

func TestChangeForGoodWalks(t *testing.T) {
	db := newTables(t)
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			table := db.fresh(t, "")
			return drivertest.World{
				Action: func() driver.Action {
					c, err := newChange(t.Context(), db.db, changeParams{changeBase: changeBase{
						Do: "drop table " + table, Observe: fill("select to_regclass('TABLE') is null", table), Want: true,
					}})
					if err != nil {
						t.Fatal(err)
					}
					return &changeIrreversible{*c, "the table " + table}
				},
			}
		},
	})
}

func actionOn(t testing.TB, db *DB, p changeParams) *change {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := newChange(t.Context(), db, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func always(e driver.Effect) driver.Effect {
	e.Mine = func() error { return nil }
	e.Save = func(context.Context, any) error { return nil }
	return e
}

func effectOf(t testing.TB, c *change) driver.Effect {
	t.Helper()
	before, err := c.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	return always(driver.Effect{Before: before, Want: want})
}

func TestUndoKeepsATableThatHoldsRows(t *testing.T) {
	url := server.Database(t)
	c := actionOn(t, connect(t, url), changeParams{
		changeBase: changeBase{Do: "create table vendor_events (id int)", Observe: "select to_regclass('vendor_events')", Want: "vendor_events"},
		Undo:       "drop table vendor_events",
		Holds:      "select count(*) from vendor_events",
	})
	e := effectOf(t, c)
	if _, err := c.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	postgrestest.Exec(t, url, "insert into vendor_events values (1), (2)")

	kept, ok := errors.AsType[*driver.Kept](c.Undo(t.Context(), e))
	if !ok || !strings.HasPrefix(kept.Cost, "2 rows") || len(kept.Fields[c.id]) != 1 {
		t.Errorf("undo of a table with two rows: %+v", kept)
	}
	if got := postgrestest.Value(t, url, "select count(*) from vendor_events"); got != "2" {
		t.Errorf("%s rows are left of 2", got)
	}
	postgrestest.Exec(t, url, "truncate vendor_events")
	if err := c.Undo(t.Context(), e); err != nil {
		t.Errorf("undo of an empty table: %v", err)
	}
	if got := postgrestest.Value(t, url, "select to_regclass('vendor_events')"); got != "" {
		t.Error("the empty table is still there")
	}
}

func TestAChangeThatMissesItsMarkIsTakenBack(t *testing.T) {
	url := server.Database(t)
	c := actionOn(t, connect(t, url), changeParams{
		changeBase: changeBase{Do: "create table a ()", Observe: "select to_regclass('b')", Want: "b"},
		Undo:       "drop index nothing",
	})
	_, err := c.Apply(t.Context(), effectOf(t, c))
	if err == nil || !strings.Contains(err.Error(), `gives no value, not "b": taken back`) {
		t.Errorf("apply: %v", err)
	}
	if got := postgrestest.Value(t, url, "select to_regclass('a')"); got != "" {
		t.Error("the change that missed its mark is still there")
	}
}

func TestAChangeDoesNotQueueUpBehindALongLock(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, "create table hrv (id int)")
	p := indexed("hrv")
	p.LockTimeout = 50 * time.Millisecond
	c := actionOn(t, connect(t, url), p)
	e := effectOf(t, c)
	holder := connect(t, url)
	tx, err := holder.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table hrv in access share mode"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("apply behind a lock: %v, want a lock timeout", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), e); err != nil {
		t.Errorf("apply once the lock is gone: %v", err)
	}
}

func TestChangeParamsAreRefusedWhenTheyCannotBeUndoneSafely(t *testing.T) {
	for name, c := range map[string]struct {
		do, undo, holds string
		want            string
	}{
		"an index":                        {do: "create index i on t (a)", undo: "drop index i"},
		"a table without holds":           {do: "create table t ()", undo: "DROP TABLE t", want: `undo: "drop table" may delete rows that arrived since`},
		"a table with holds":              {do: "create table t ()", undo: "drop table t", holds: "select count(*) from t"},
		"a column without its keyword":    {do: "alter table t add a int", undo: "alter table t drop a", want: `undo: "drop a" may delete rows that arrived since`},
		"a constraint":                    {do: "alter table t add constraint c check (true)", undo: "alter table t drop constraint c"},
		"a delete":                        {do: "insert into t values (1)", undo: "delete from t", want: `undo: "delete from" may delete rows that arrived since`},
		"a drop in a comment":             {do: "create index i on t (a)", undo: "drop index i -- not: drop table t"},
		"a commit":                        {do: "create table t (); commit", undo: "drop index i", want: `do: "commit" would end the transaction that makes the change whole`},
		"a function with begin and end":   {do: "do $$ begin perform 1; end $$", undo: "drop function f"},
		"a rollback in undo":              {do: "select 1", undo: "rollback", want: `undo: "rollback" would end the transaction that makes the change whole`},
		"a rollback to its own savepoint": {do: "savepoint s; rollback to s", undo: "drop index i"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := (changeParams{changeBase: changeBase{Do: c.do}, Undo: c.undo, Holds: c.holds}).Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestALateCommitOfAPredecessorIsSeen(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, "create table hrv (id int)")
	first, second := actionOn(t, connect(t, url), indexed("hrv")), actionOn(t, connect(t, url), indexed("hrv"))
	e := effectOf(t, first)
	inside, goOn := make(chan struct{}), make(chan struct{})
	slow, calls := e, 0
	slow.Mine = func() error {
		if calls++; calls == 2 { // all done but the commit
			close(inside)
			<-goOn
		}
		return nil
	}
	results := make(chan error, 2)
	apply := func(c *change, e driver.Effect) {
		after, err := c.Apply(t.Context(), e)
		if err == nil && len(state.Diff(state.Face(e.Want), state.Face(after))) > 0 {
			err = errors.New("not as wanted")
		}
		results <- err
	}
	go apply(first, slow)
	<-inside
	go apply(second, e)
	for postgrestest.Value(t, url, "select count(*) from pg_locks where locktype = 'advisory' and not granted") != "1" {
	}
	close(goOn)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
