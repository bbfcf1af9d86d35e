package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const odd = `create type mood as enum ('fine', 'odd');
	create table odd (
		a int, b text collate "C", n numeric, f float8, r real, m mood, j jsonb, y bytea, l text[], i int[][], t timestamptz, d date, p interval, u uuid, c char(4), k bool, o inet,
		v bigint not null, g int generated always as (a * 2) stored, primary key (a, b))`

const fill = `insert into odd (a, b, n, f, r, m, j, y, l, i, t, d, p, u, c, k, o, v)
	select x / 3, 'key ' || x || E' \\ \t \n \r ü \'', x * 1234567890123.000000000000000001, sqrt(x), 'NaN', 'odd', '{"a": [1, 1.50, null, "x\ty"], "big": 12345678901234567890}',
		decode(md5(x::text), 'hex'), array['a,b', null, E'q"\\'], array[[1,2],[3,x]], case when mod(x, 9) = 0 then 'infinity' else timestamptz '2025-01-29 10:00:00.123456+02' + x * interval '1 ms' end,
		date '2025-01-29', '1 month 2 days 3.5 s', md5(x::text)::uuid, 'ab', mod(x, 2) = 0, '10.0.0.1/8', x
	from generate_series(1, %d) x`

const tableToTable = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once:
          from: a
          read: {table: odd}
          to: b
          write: {table: odd}
          key: [a, b]
          version: v
          copy: [a, b, n, f, r, m, j, y, l, i, t, d, p, u, c, k, o, v]
`

const whole = `select count(*) || ' ' || md5(string_agg(odd::text, ',' order by a, b)) from odd`

// single has a sync look at each record, where it would copy streams.
const single = "          deleted: record.v < 0\n"

func TestRowsOfEveryTypeComeOverAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{"in streams": "          batch-size: 400\n", "one by one": single + "          batch-size: 400\n"} {
		t.Run(name, func(t *testing.T) {
			a, b := server.Database(t), server.Database(t)
			postgrestest.Exec(t, a, odd+";"+fmt.Sprintf(fill, 1000))
			postgrestest.Exec(t, b, odd)
			env := map[string]string{"A": a, "B": b}
			if got, want := counts(apply(t, tableToTable+more, env)), "read 1000, changed 1000, unchanged 0, bad 0, deleted 0"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if x, y := postgrestest.Value(t, a, whole), postgrestest.Value(t, b, whole); x != y {
				t.Errorf("the table is %s, and the copy %s", x, y)
			}
			postgrestest.Exec(t, a, "update odd set k = null, v = v + 5000 where a % 10 = 0")
			postgrestest.Exec(t, b, "update odd set k = null, v = v + 9000 where a % 10 = 1; delete from odd where a % 10 = 2")
			want := postgrestest.Value(t, a, "select 'read 1000, changed ' || count(*) filter (where a % 10 in (0, 2)) || ', unchanged ' || count(*) filter (where a % 10 not in (0, 2)) || ', bad 0, deleted 0' from odd")
			if got := counts(apply(t, tableToTable+more, env)); got != want {
				t.Errorf("again: %s, want %s", got, want)
			}
			if n := postgrestest.Value(t, b, "select count(*) from odd where a % 10 = 1 and v < 9000"); n != "0" {
				t.Errorf("%s rows took the place of newer ones", n)
			}
		})
	}
}

// A stream is refused whole for one row: then each is looked at.
func TestARowThatAStreamCannotBringIsKeptAside(t *testing.T) {
	t.Parallel()
	a, b := server.Database(t), server.Database(t)
	postgrestest.Exec(t, a, odd+";"+fmt.Sprintf(fill, 500))
	postgrestest.Exec(t, b, odd+"; alter table odd add check (v not in (77, 78, 401))")
	file := filepath.Join(t.TempDir(), "aside.jsonl")
	got := counts(apply(t, tableToTable+"          batch-size: 100\n          bears: 3\n          aside: "+file+"\n", map[string]string{"A": a, "B": b}))
	if want := "read 500, changed 497, unchanged 0, bad 3, deleted 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := postgrestest.Value(t, b, "select count(*) || ' ' || sum(v) from odd"); got != fmt.Sprint("497 ", 500*501/2-77-78-401) {
		t.Errorf("the copy has %s", got)
	}
}
