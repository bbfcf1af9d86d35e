package compare

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/compare/comparetest"
	"github.com/segue-run/segue/compare/diff"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
)

// compared is the check as a runbook writes it.
func compared(t testing.TB, p *comparetest.Pair, runs int) driver.Check {
	t.Helper()
	text := fmt.Sprintf(`
segue: v1
name: compare
checks:
  same:
    http.compare:
        legacy: "${LEGACY}"
        new: "${NEW}"
        requests: [/robots as /api/v2/robots, /health, "/robots/{id} as /api/v2/robots/{id}", /robots/nobody as /api/v2/robots/nobody 404, /metrics, HEAD /health]
        draw: {id: '/robots .[].id // empty'}
        runs: %d
        timeout: 2m
%s
phases:
  - name: one
    require: [same]
`, runs, comparetest.Rules)
	return drivertest.Make(t, text, map[string]string{"LEGACY": p.Legacy.URL, "NEW": p.New.URL}, Parts()...).Checks["same"]
}

func reportOf(t testing.TB, r evidence.Reading) Report {
	t.Helper()
	var out Report
	if err := json.Unmarshal(r.Raw, &out); err != nil {
		t.Fatalf("the report of %+v: %v", r, err)
	}
	return out
}

// robots are those of the list; only there is something to plant.
func robots(path string, body map[string]any) []any {
	if path != "/robots" {
		return nil
	}
	return body["robots"].([]any)
}

// seeds are what is planted, and where it must be found.
var seeds = []struct {
	name  string
	field string
	kind  diff.Kind
	fault comparetest.Fault
}{
	{"a member is gone", "robots[*].name", diff.Missing, in("r1", func(m map[string]any) { delete(m, "name") })},
	{"a member of a member is gone", `robots[*].metadata["fw.version"]`, diff.Missing, in("r1", func(m map[string]any) { m["metadata"] = map[string]any{} })},
	{"a member too many", "robots[*].secret_note", diff.Extra, in("r1", func(m map[string]any) { m["secret_note"] = "x" })},
	{"null where something was", "robots[*].name", diff.Missing, in("r1", func(m map[string]any) { m["name"] = nil })},
	{"text where a number was", "robots[*].odometer", diff.Type, in("r1", func(m map[string]any) { m["odometer"] = fmt.Sprint(m["odometer"]) })},
	{"a number where a truth was", "robots[*].teleoperation", diff.Type, in("r1", func(m map[string]any) { m["teleoperation"] = 1 })},
	{"an object where a list was", "robots[*].route", diff.Type, in("r1", func(m map[string]any) { m["route"] = map[string]any{"0": 3} })},
	{"a truth turned round", "robots[*].teleoperation", diff.Value, in("r1", func(m map[string]any) { m["teleoperation"] = false })},
	{"another text", "robots[*].name", diff.Value, in("r1", func(m map[string]any) { m["name"] = "Robot l" })},
	{"another case of a text", "robots[*].type", diff.Value, in("r1", func(m map[string]any) { m["type"] = "XLErobot" })},
	{"a word of the old system", "robots[*].status", diff.Value, in("r0", func(m map[string]any) { m["status"] = "running" })},
	{"a word that is mapped wrongly", "robots[*].status", diff.Value, in("r3", func(m map[string]any) { m["status"] = "offline" })},
	{"an old name that was not renamed", "robots[*].ip_address", diff.Extra, in("r1", func(m map[string]any) { m["ip_address"] = m["ip"] })},
	{"a list in another order", "robots[*].route", diff.Order, in("r1", func(m map[string]any) { m["route"] = []any{1, 2, 3} })},
	{"robots in another order", "robots", diff.Order, func(path string, body map[string]any, _ http.Header) int {
		slices.Reverse(robots(path, body))
		return 0
	}},
	{"an item too many in a list", "robots[*].route[*]", diff.Extra, in("r1", func(m map[string]any) { m["route"] = []any{3, 1, 2, 4} })},
	{"an item gone where order means nothing", "robots[*].tags[*]", diff.Missing, in("r1", func(m map[string]any) { m["tags"] = []any{"b"} })},
	{"a number rounded beyond what is allowed", "robots[*].battery", diff.Rounding, in("r1", func(m map[string]any) { m["battery"] = json.Number("51") })},
	{"a number that is off", "robots[*].battery", diff.Value, in("r1", func(m map[string]any) { m["battery"] = json.Number("61.3") })},
	{"a fraction rounded", "share", diff.Rounding, health(func(m map[string]any) { m["share"] = json.Number("0.3") })},
	{"a large number through a float", "robots[*].odometer", diff.Value, in("r1", func(m map[string]any) { m["odometer"] = json.Number("9007199254740996") })},
	{"a large number with an exponent", "robots[*].odometer", diff.Value, in("r1", func(m map[string]any) { m["odometer"] = json.Number("9.007199254740996e+15") })},
	{"a time taken for local", "robots[*].last_seen", diff.Time, in("r1", func(m map[string]any) { m["last_seen"] = "2026-01-29T10:00:01+02:00" })},
	{"a time off by more than is allowed", "robots[*].seen", diff.Time, in("r1", func(m map[string]any) { m["seen"] = "2026-01-29T10:00:31Z" })},
	{"a time that is none", "robots[*].last_seen", diff.Value, in("r1", func(m map[string]any) { m["last_seen"] = "29.01.2026 10:00:01" })},
	{"a robot too many", "robots[*]", diff.Extra, func(path string, body map[string]any, _ http.Header) int {
		if path == "/robots" {
			body["robots"] = append(robots(path, body), map[string]any{"id": "ghost"})
		}
		return 0
	}},
	{"a robot told twice", "robots[*]", diff.Extra, func(path string, body map[string]any, _ http.Header) int {
		if all := robots(path, body); all != nil {
			body["robots"] = append(all, all[1])
		}
		return 0
	}},
	{"the robot without an id is gone", "robots[*]", diff.Missing, func(path string, body map[string]any, _ http.Header) int {
		if all := robots(path, body); all != nil {
			body["robots"] = slices.Delete(all, 2, 3)
		}
		return 0
	}},
	{"a count that is off", "count", diff.Value, func(path string, body map[string]any, _ http.Header) int {
		if path == "/robots" {
			body["count"] = 7
		}
		return 0
	}},
	{"another status", "status", diff.Status, onHealth(func(http.Header) int { return 503 })},
	{"an error that is none", "status", diff.Status, func(path string, _ map[string]any, _ http.Header) int {
		if path == "/robots/nobody" {
			return 200
		}
		return 0
	}},
	{"another text of an error", "error", diff.Value, func(path string, body map[string]any, _ http.Header) int {
		if path == "/robots/nobody" {
			body["error"] = "not found"
		}
		return 0
	}},
	{"a header that is gone", "header Cache-Control", diff.Header, onHealth(func(h http.Header) int { h.Del("Cache-Control"); return 0 })},
	{"another header", "header Content-Type", diff.Header, onHealth(func(h http.Header) int { h.Set("Content-Type", "text/json"); return 0 })},
	{"a header too many", "header Access-Control-Allow-Origin", diff.Header, onHealth(func(h http.Header) int { h.Set("Access-Control-Allow-Origin", "*"); return 0 })},
	{"another text", "body", diff.Body, func(path string, body map[string]any, _ http.Header) int {
		if path == "/metrics" {
			body["text"] = "robots_total 4\n"
		}
		return 0
	}},
	{"a word in a field that has noise", "mood", diff.Value, health(func(m map[string]any) { m["mood"] = "gloomy" })},
	{"another type in a field that is all noise", "load", diff.Type, health(func(m map[string]any) { m["load"] = fmt.Sprint(m["load"]) })},
	{"a field that is all noise is gone", "trace", diff.Missing, health(func(m map[string]any) { delete(m, "trace") })},
}

// in changes one robot of the list.
func in(id string, change func(map[string]any)) comparetest.Fault {
	return func(path string, body map[string]any, _ http.Header) int {
		for _, r := range robots(path, body) {
			if m := r.(map[string]any); m["id"] == id {
				change(m)
			}
		}
		return 0
	}
}

func health(change func(map[string]any)) comparetest.Fault {
	return func(path string, body map[string]any, _ http.Header) int {
		if path == "/health" {
			change(body)
		}
		return 0
	}
}

func onHealth(change func(http.Header) int) comparetest.Fault {
	return func(path string, _ map[string]any, h http.Header) int {
		if path == "/health" {
			return change(h)
		}
		return 0
	}
}

func TestEachSeededDifferenceIsFoundAndNothingElse(t *testing.T) {
	if len(seeds) < 30 {
		t.Fatalf("only %d differences are seeded", len(seeds))
	}
	for _, s := range seeds {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := compared(t, comparetest.Start(t, 8, s.fault), 60).Read(t.Context())
			if r.Verdict != evidence.Fail {
				t.Fatalf("%s: %s %s", r.Verdict, r.Value, r.Detail)
			}
			var found []string
			for _, e := range reportOf(t, r).Endpoints {
				for _, f := range e.Fields {
					if f.Judged == Difference {
						found = append(found, fmt.Sprintf("%s %s", f.Field, f.Kind))
						if f.Odd == 0 || len(f.Examples) == 0 {
							t.Errorf("%s has no example: %+v", f.Field, f)
						}
					}
				}
			}
			want := fmt.Sprintf("%s %s", s.field, s.kind)
			if found = slices.Compact(found); len(found) != 1 || found[0] != want {
				t.Errorf("found %q, want %q and nothing else\n%s", found, want, r.Detail)
			}
			if !strings.Contains(r.Detail, want[:strings.LastIndex(want, " ")]) {
				t.Errorf("%q does not name %s", r.Detail, want)
			}
		})
	}
}

// Fields without noise would prove nothing: that there is noise, and where, is
// asserted too.
func TestEqualSystemsWithNoiseDoNotDifferOverTenThousandPairs(t *testing.T) {
	r := compared(t, comparetest.Start(t, 8, nil), 1667).Read(t.Context())
	report := reportOf(t, r)
	if r.Verdict != evidence.Pass || r.Samples < 10_000 {
		t.Fatalf("%s: %d pairs, %s %s", r.Verdict, r.Samples, r.Value, r.Detail)
	}
	noisy := map[string]int64{}
	for _, e := range report.Endpoints {
		for _, f := range e.Fields {
			noisy[e.Name+" "+f.Field] = f.Noise
		}
	}
	for _, name := range []string{"trace", "load", "asked", "peers", "mood", "header X-Request-Id"} {
		if noisy["GET /health "+name] == 0 {
			t.Errorf("the noise of %s was not counted: %v", name, noisy)
		}
	}
	for _, name := range []string{"trace", "mood"} {
		if !strings.Contains(fmt.Sprint(report.Endpoints), name) {
			t.Errorf("the noise of %s is not named", name)
		}
	}
	t.Logf("%d pairs in %s: %s", r.Samples, report.Ended.Sub(report.Began).Round(1e6), r.Value)
}
