package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
)

func TestSQLReadsWhatAQueryGives(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, `create table hrv_data (user_id text, rmssd numeric, ln_rmssd double precision, tags text[], raw jsonb, at timestamptz, took interval, id uuid);
		insert into hrv_data values ('phase2-test-user', 42.5, ln(42.5), '{a,b}', '{"v": [1, {"n": null}]}', now(), '90 seconds', gen_random_uuid())`)
	db := connect(t, url)
	for name, c := range map[string]struct {
		query  string
		args   []any
		expect string
		want   evidence.Verdict
		detail string
	}{
		"the design's own":         {"select rmssd from hrv_data where user_id = $1", []any{"phase2-test-user"}, "rows.size() == 1 && rows[0].rmssd == 42.5", evidence.Pass, ""},
		"a row that is not there":  {"select rmssd from hrv_data where user_id = $1", []any{"nobody"}, "row.rmssd == 42.5", evidence.Unknown, "there is no row"},
		"a value that is not":      {"select rmssd from hrv_data where false", nil, "value > 0", evidence.Unknown, "there is no value"},
		"no rows are a number too": {"select rmssd from hrv_data where false", nil, "rows.size() == 0", evidence.Pass, ""},
		"the value":                {"select count(*) from hrv_data", nil, "value == 1", evidence.Pass, ""},
		"another value":            {"select count(*) from hrv_data", nil, "value == 2", evidence.Fail, "1 does not meet value == 2"},
		"NULL":                     {"select null::int", nil, "value < 5", evidence.Unknown, "there is no value"},
		"NaN":                      {"select 'NaN'::float8", nil, "value < 5", evidence.Unknown, "NaN"},
		"a numeric NaN":            {"select 'NaN'::numeric", nil, "value < 5", evidence.Unknown, "NaN"},
		"a sum, which is numeric":  {"select sum(n) from generate_series(1::bigint, 4) n", nil, "value == 10", evidence.Pass, ""},
		"a huge numeric, exactly":  {"select 9007199254740993::numeric", nil, "value == 9007199254740993 && value != 9007199254740992", evidence.Pass, ""},
		"a column that is not":     {"select rmssd from hrv_data", nil, "row.rmsd == 42.5", evidence.Unknown, "rmsd"},
		"all kinds of columns":     {"select * from hrv_data", nil, `row.tags == ["a", "b"] && row.raw.v[0] == 1 && row.took == duration("90s") && row.id.size() == 36 && row.ln_rmssd < 3.75`, evidence.Pass, ""},
		"an integer argument":      {"select $1::int + 1", []any{int64(4)}, "value == 5", evidence.Pass, ""},
		"a table that is not":      {"select * from nothing", nil, "rows.size() == 0", evidence.Unknown, `relation "nothing" does not exist`},
		"a write":                  {"delete from hrv_data", nil, "rows.size() == 0", evidence.Unknown, "read-only transaction"},
		"two statements":           {"select 1; delete from hrv_data", nil, "value == 1", evidence.Unknown, "multiple commands"},
		"too many rows":            {"select generate_series(1, 20000)", nil, "rows.size() > 0", evidence.Unknown, "more than 10000 rows"},
	} {
		t.Run(name, func(t *testing.T) {
			check, err := newSQL(db, sqlParams{Query: c.query, Args: c.args, Expect: c.expect})
			if err != nil {
				t.Fatal(err)
			}
			r := check.Read(t.Context())
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v because %q", r, c.want, c.detail)
			}
		})
	}
}

func TestSQLIsUnknownWhenItTakesTooLong(t *testing.T) {
	check, err := newSQL(connect(t, server.Database(t)), sqlParams{Query: "select pg_sleep(60)", Expect: "rows.size() == 1", Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := check.Read(t.Context())
	if r.Verdict != evidence.Unknown || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %+v", time.Since(began), r)
	}
}

func TestSQLOfAServerThatIsNotThereIsUnknown(t *testing.T) {
	db := connect(t, "postgres://u:p@127.0.0.1:1/db")
	check, err := newSQL(db, sqlParams{Query: "select 1", Expect: "value == 1"})
	if err != nil {
		t.Fatal(err)
	}
	if r := check.Read(t.Context()); r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "connection refused") {
		t.Errorf("%+v", r)
	}
}
