package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const oneDatabase = `
segue: v1
name: one
connections:
  db: {postgres: {url: "${DATABASE_URL}"}}
checks:
  up: {postgres.ping: {on: db}}
phases:
  - name: one
    require: [up]
`

func TestRowsAreReadAndStatementsTakeTheArgumentsTheyName(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, "create table t (id text, n int); create table u (id text); insert into t values ('a', 1), ('b', 2); insert into u values ('a')")
	db := drivertest.Make(t, oneDatabase, map[string]string{"DATABASE_URL": url}, Parts()...).Conns["db"].(driver.RowStore)
	columns, rows, err := db.Rows(t.Context(), "select n, id from t where id = $1", []any{"a", "unused"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]map[string]any{{"n": int64(1), "id": "a"}}, rows); d != "" || columns[0] != "n" {
		t.Errorf("columns %v (-want +got):\n%s", columns, d)
	}
	if _, _, err := db.Rows(t.Context(), "delete from t returning id", nil); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a query that changes: %v", err)
	}
	mine := func() error { return nil }
	n, err := db.Execute(t.Context(), mine, []string{"delete from t where id = $1 and n = $2", "delete from u where id = $1"}, []any{"a", 1})
	if err != nil || n != 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if got := postgrestest.Value(t, url, "select string_agg(id, ' ') from t"); got != "b" {
		t.Errorf("left is %q", got)
	}
}

func TestStatementsThatAreNotOursToRunAreRolledBack(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, "create table t (id text); insert into t values ('a')")
	db := drivertest.Make(t, oneDatabase, map[string]string{"DATABASE_URL": url}, Parts()...).Conns["db"].(driver.RowStore)
	for at := 1; at <= 2; at++ {
		asked := 0
		mine := func() error {
			if asked++; asked == at {
				return driver.ErrNotMine
			}
			return nil
		}
		if _, err := db.Execute(t.Context(), mine, []string{"delete from t where id = $1"}, []any{"a"}); !errors.Is(err, driver.ErrNotMine) {
			t.Errorf("refused at %d: %v", at, err)
		}
	}
	mine := func() error { return nil }
	if _, err := db.Execute(t.Context(), mine, []string{"delete from t where id = $1", "delete from nothing"}, []any{"a"}); err == nil {
		t.Error("a statement that fails is a success")
	}
	if got := postgrestest.Value(t, url, "select count(*) from t"); got != "1" {
		t.Errorf("left are %s rows", got)
	}
}
