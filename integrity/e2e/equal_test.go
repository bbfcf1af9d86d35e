package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/integrity"
)

var server postgrestest.Shared

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

// one is the database that all tests share; each has two schemas of its own.
var one struct {
	sync.Once
	url    string
	counts atomic.Int64
}

// world is two schemas, and what is asked of them.
type world struct {
	url, old, new string
	made          drivertest.Made
}

// with makes a world with one check. In what it is given, old. and new. mean the
// two schemas; setup is done in both.
func with(t *testing.T, check, setup string) world {
	t.Helper()
	w := fresh(t, setup)
	w.made = drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
checks:
  it: {%s}
phases:
  - name: one
    require: [it]
    steps: [{name: nothing, postgres.change: {on: db, do: select 1, undo: select 1, observe: select 1, want: 1}}]
`, w.named(check)), map[string]string{"DB": w.url}, slices.Concat(postgres.Parts(), integrity.Parts())...)
	return w
}

// fresh makes a world's schemas.
func fresh(t testing.TB, setup string) world {
	t.Helper()
	one.Do(func() { one.url = server.Database(t) })
	n := one.counts.Add(1)
	w := world{url: one.url, old: fmt.Sprintf("old_%d", n), new: fmt.Sprintf("new_%d", n)}
	for _, schema := range []string{w.old, w.new} {
		w.do(t, fmt.Sprintf("create schema %s; set search_path = %s; %s", schema, schema, setup))
	}
	return w
}

func (w world) named(text string) string {
	return strings.NewReplacer("old.", w.old+".", "new.", w.new+".").Replace(text)
}

func (w world) do(t testing.TB, sql string) { postgrestest.Exec(t, w.url, w.named(sql)) }

func (w world) read(t *testing.T) (evidence.Reading, integrity.Report) {
	t.Helper()
	r := w.made.Checks["it"].Read(t.Context())
	var report integrity.Report
	if strings.HasPrefix(string(r.Raw), "{") {
		if err := json.Unmarshal(r.Raw, &report); err != nil {
			t.Fatal(err)
		}
	}
	return r, report
}

const equalTables = "data.equal: {left: db, left-at: {table: old.t}, right: db, right-at: {table: new.t}, settle: 0s}"

const robots = `create table t (id bigint primary key, name text, n numeric, at timestamptz, doc jsonb, live boolean);
	insert into t select i, 'robot ' || i, i * 1.5, '2026-01-01 00:00:00+00'::timestamptz + i * interval '1 s', jsonb_build_object('i', i), i % 2 = 0
	from generate_series(1, 3000) i;`

func TestEqualFindsWhatIsPlanted(t *testing.T) {
	for name, c := range map[string]struct {
		change string // of the new side
		want   string // what the reading says; "" for equal
	}{
		"nothing": {"", ""},
		"one field": {
			"update t set name = 'Robot 7' where id = 7", `1 different (name 1); [7] different: name is "robot 7" and "Robot 7"`,
		},
		"NULL where an empty text was": {"update t set name = null where id = 9", `name is "robot 9" and nothing`},
		"a number":                     {"update t set n = n + 0.0000000001 where id = 2", `n is "3" and "3.0000000001"`},
		"the same number otherwise":    {"update t set n = 3.00 where id = 2", ""},
		"the same instant in another zone": {
			"set timezone = 'Asia/Tokyo'; update t set at = '2026-01-01 09:00:03+09' where id = 3", "",
		},
		"another instant":           {"update t set at = at + interval '1 us' where id = 3", `at is "2026-01-01 00:00:03+00" and "2026-01-01 00:00:03.000001+00"`},
		"a document":                {`update t set doc = '{"i": 5, "j": null}' where id = 5`, `doc is "{\"i\": 5}" and "{\"i\": 5, \"j\": null}"`},
		"a record less":             {"delete from t where id = 8", "1 missing on the right; [8] missing"},
		"a record more":             {"insert into t (id) values (9999)", "1 that left does not have; [9999] extra"},
		"two that changed places":   {"update t set name = 'robot ' || (3 - id) where id in (1, 2)", "2 different (name 2)"},
		"all of them":               {"update t set n = 0", "3000 different (n 3000)"},
		"a key of its own":          {"alter table t drop constraint t_pkey; insert into t select * from t where id = 6", "the sides do not say by which fields"},
		"another key, all the same": {"update t set id = 5000 where id = 4", "1 missing on the right, 1 that left does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := with(t, equalTables, robots)
			if c.change != "" {
				w.do(t, "set search_path = "+w.new+"; "+c.change)
			}
			r, report := w.read(t)
			want := evidence.Pass
			switch {
			case strings.HasPrefix(c.want, "the sides"):
				want = evidence.Unknown
			case c.want != "":
				want = evidence.Fail
			}
			if r.Verdict != want || !strings.Contains(r.Detail, c.want) {
				t.Errorf("%v %s: %s; want %v, %q", r.Verdict, r.Value, r.Detail, want, c.want)
			}
			if r.Verdict != evidence.Unknown && (report.Left != 3000 || report.AsOf.IsZero()) {
				t.Errorf("the report is of %d records as of %s", report.Left, report.AsOf)
			}
		})
	}
}

// Sides whose systems were made by other people.
func TestEqualAcrossTypes(t *testing.T) {
	const old = `drop table t; create table t (id int primary key, name varchar(20), code char(4), n float8, at timestamp, day date, doc json, uid text);
		insert into t values (1, 'a', 'ab', 0.1, '2026-01-01 12:00:00', '2026-01-01', '{"b":1,  "a":2}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
			(2, '', null, 3, null, null, null, null), (3, null, 'x', -1.5, '2026-06-01 00:00:00', '2026-06-01', '[]', null)`
	const new = `drop table t; create table t (id bigint primary key, name text, code text, n numeric(12,4), at timestamptz, day timestamptz, doc jsonb, uid uuid);
		insert into t values (1, 'a', 'ab', 0.1, '2026-01-01 13:00:00+01', '2026-01-01 00:00:00+00', '{"a":2,"b":1}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
			(2, '', null, 3, null, null, null, null), (3, null, 'x', -1.5, '2026-06-01 02:00:00+02', '2026-06-01 00:00:00+00', '[]', null)`
	for name, c := range map[string]struct{ change, want string }{
		"the same":               {"", ""},
		"NULL and an empty text": {"update new.t set name = '' where id = 3", `[3] different: name is nothing and ""`},
		"the other way":          {"update new.t set name = null where id = 2", `[2] different: name is "" and nothing`},
		"a number":               {"update new.t set n = 0.1001 where id = 1", `n is "0.1" and "0.1001"`},
		"an hour":                {"update new.t set at = '2026-01-01 12:00:00+01' where id = 1", `at is "2026-01-01 12:00:00+00" and "2026-01-01 11:00:00+00"`},
		"a document":             {`update new.t set doc = '{"a":2}' where id = 1`, "doc is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := with(t, equalTables, "create table t ()")
			w.do(t, "set search_path = "+w.old+"; "+old)
			w.do(t, "set search_path = "+w.new+"; "+new)
			if c.change != "" {
				w.do(t, c.change)
			}
			r, _ := w.read(t)
			if (r.Verdict == evidence.Pass) != (c.want == "") || !strings.Contains(r.Detail, c.want) {
				t.Errorf("%v %s: %s; want %q", r.Verdict, r.Value, r.Detail, c.want)
			}
		})
	}
}

// What no key tells apart, and what only one side has.
func TestEqualOfQueries(t *testing.T) {
	const setup = `create table t (a text, b int, n int); insert into t select 'x' || i / 10, i % 10, i from generate_series(0, 99) i`
	const both = "data.equal: {left: db, left-at: {query: 'select * from old.t', key: [a, b]}, right: db, right-at: {query: 'select * from new.t', key: [a, b]}, settle: 0s"
	for name, c := range map[string]struct{ more, change, want string }{
		"the same":               {"", "", ""},
		"doubled":                {"", "insert into new.t values ('x3', 4, 34)", `1 not as often on both sides; [x3, 4] 1 times left, 2 right`},
		"doubled, one otherwise": {"", "insert into new.t values ('x3', 4, 35)", `1 not as often on both sides`},
		"no key":                 {"", "insert into new.t values (null, 4, 35)", `1 rows have no a, b`},
		"a field more":           {"", "alter table new.t add c int", "only right has c; instead: name what is compared in fields, or what is not in ignore"},
		"a field more, ignored":  {", ignore: [c]", "alter table new.t add c int", ""},
		"a field not compared":   {", fields: [b]", "update new.t set n = 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := with(t, both+c.more+"}", setup)
			if c.change != "" {
				w.do(t, c.change)
			}
			r, _ := w.read(t)
			if (r.Verdict == evidence.Pass) != (c.want == "") || !strings.Contains(r.Detail, c.want) {
				t.Errorf("%v %s: %s; want %q", r.Verdict, r.Value, r.Detail, c.want)
			}
		})
	}
}
