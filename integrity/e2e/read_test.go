package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/integrity"
)

// legacy answers with robots as the seed's monolith does. What change makes of
// the first robot counts up to the nth question.
func legacy(t *testing.T, upTo int, change string) string {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var robots []string
		for i := range 20 {
			one := fmt.Sprintf(`{"id":"r%02d","type":%q,"status":"running","ssh_port":%d.0,"last_seen":"2026-01-01T00:00:%02dZ","metadata":{"a":[1,2.50]}}`,
				i, []string{"lekiwi", "xle"}[i%2], i, i)
			if i == 0 && change != "" && asked.Load() < int64(upTo) {
				one = change
			}
			if one != "-" {
				robots = append(robots, one)
			}
		}
		asked.Add(1)
		_, _ = w.Write([]byte("[" + strings.Join(robots, ",") + "]"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const mapped = `copy: [id, ssh_port, metadata], map: {status: {from: status, values: {running: online, stopped: offline}},
	type: {from: type, values: {lekiwi: lekiwi, xle: xlerobot}, required: true}, last_seen: {from: last_seen, as: time}}`

// against asks whether the robots of a legacy system are those of a table.
func against(t *testing.T, url, check string) evidence.Reading {
	t.Helper()
	w := with(t, equalTables, `create table t (id text primary key, type text, status text, ssh_port int, last_seen timestamptz, metadata jsonb);
		insert into t select 'r' || to_char(i, 'FM00'), case when i % 2 = 0 then 'lekiwi' else 'xlerobot' end, 'online', i,
			'2026-01-01 00:00:00+00'::timestamptz + i * interval '1 s', '{"a": [1.0, 2.5]}' from generate_series(0, 19) i`)
	made := drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  legacy: {http: {url: "${LEGACY}"}}
  db: {postgres: {url: "${DB}"}}
checks:
  it: {%s}
phases:
  - name: one
    require: [it]
    steps: [{name: nothing, postgres.change: {on: db, do: select 1, undo: select 1, observe: select 1, want: 1}}]
`, w.named(strings.Replace(check, "SIDES", "left: legacy, left-at: {path: /robots}, right: db, right-at: {table: new.t}, "+mapped, 1))),
		map[string]string{"DB": w.url, "LEGACY": url}, slices.Concat(postgres.Parts(), web.Parts(), integrity.Parts())...)
	return made.Checks["it"].Read(t.Context())
}

func TestEqualOfWhatCannotSumUp(t *testing.T) {
	const first = `{"id":"r00","type":"lekiwi","status":"running","ssh_port":0,"last_seen":"2026-01-01T00:00:00Z","metadata":{"a":[1,2.5]}}`
	change := func(from, to string) string { return strings.Replace(first, from, to, 1) }
	for name, c := range map[string]struct {
		upTo               int // the question from which on it is as it should be
		change, want, more string
		verdict            evidence.Verdict
	}{
		"the same":                    {want: "20 records equal", verdict: evidence.Pass},
		"numbers and zones otherwise": {100, change(`"2026-01-01T00:00:00Z"`, `"2026-01-01T01:00:00+01:00"`), "20 records equal", "", evidence.Pass},
		"a status":                    {100, change("running", "stopped"), `1 different (status 1); [r00] different: status is "offline" and "online"`, "", evidence.Fail},
		"a number in a document":      {100, change("2.5", "2.51"), "1 different (metadata 1)", "", evidence.Fail},
		"no status":                   {100, change(`"status":"running"`, `"status":null`), `status is nothing and "online"`, "", evidence.Fail},
		"a second":                    {100, change("00:00:00Z", "00:00:01Z"), `last_seen is "2026-01-01T00:00:01Z" and "2026-01-01T00:00:00Z"`, "", evidence.Fail},
		"one more on the right":       {100, "-", "1 that left does not have; [r00] extra", "", evidence.Fail},
		"one more on the left":        {100, first + "," + change("r00", "new"), "1 missing on the right; [new] missing", "", evidence.Fail},
		"one twice":                   {100, first + "," + first, "1 not as often on both sides", "", evidence.Fail},
		"on its way":                  {1, change("running", "stopped"), "20 records equal", "", evidence.Pass},
		"no type":                     {100, change("xle", "xle") + `,{"id":"odd"}`, "1 that cannot be read", "", evidence.Fail},
		"no type, borne":              {100, first + `,{"id":"odd"}`, "20 records equal", ", bears: 1", evidence.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := against(t, legacy(t, c.upTo, c.change), "data.equal: {SIDES, key: [id], settle: 10ms"+c.more+"}")
			if r.Verdict != c.verdict || !strings.Contains(r.Value+r.Detail, c.want) {
				t.Errorf("%v %s: %s; want %v %q", r.Verdict, r.Value, r.Detail, c.verdict, c.want)
			}
		})
	}
}

func TestCountOfWhatCannotSumUp(t *testing.T) {
	for name, c := range map[string]struct{ change, want string }{
		"the same":  {"", ""},
		"a status":  {`{"id":"r00","type":"lekiwi","status":"stopped"}`, "type lekiwi, status offline: 1 and 0, type lekiwi, status online: 9 and 10"},
		"a bad one": {`{"id":"r00"}`, "(cannot be read: type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := against(t, legacy(t, 100, c.change), "data.count: {SIDES, by: [type, status]}")
			if (r.Verdict == evidence.Pass) != (c.want == "") || !strings.Contains(r.Detail, c.want) {
				t.Errorf("%v %s: %s; want %q", r.Verdict, r.Value, r.Detail, c.want)
			}
		})
	}
}
