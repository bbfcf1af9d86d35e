package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/driver/redis/redistest"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/integrity"
	"github.com/segue-run/segue/state"
)

// records are by their id, as JSON has them.
type records map[string]map[string]any

func robot(id string, more map[string]any) map[string]any {
	r := map[string]any{"id": id, "status": "online", "port": 22.0, "live": true, "meta": map[string]any{"a": []any{1.0, "two"}}}
	for name, v := range more {
		if r[name] = v; v == nil {
			delete(r, name)
		}
	}
	return r
}

// An odd place is a side with records that are wrong: how a runbook names it, and
// what is there.
type oddPlace struct {
	connection, write string
	all               func() records
	put               func(id string, r map[string]any) // nil takes it away
}

// oddPlaces are the kinds of systems that can be repaired.
func oddPlaces(t *testing.T) map[string]func(t *testing.T) oddPlace {
	return map[string]func(t *testing.T) oddPlace{
		"PostgreSQL": func(t *testing.T) oddPlace {
			db := server.Database(t)
			postgrestest.Exec(t, db, "create table robots (id text primary key, status text, port int, live boolean, meta jsonb, note text)")
			return oddPlace{
				connection: `{postgres: {url: "` + db + `"}}`, write: "{table: robots}",
				all: func() records {
					out := records{}
					unjson(t, postgrestest.Value(t, db, "select coalesce(json_object_agg(id, json_strip_nulls(row_to_json(r))), '{}') from robots r"), &out)
					return out
				},
				put: func(id string, r map[string]any) {
					postgrestest.Exec(t, db, fmt.Sprintf("delete from robots where id = '%s'", id))
					if r != nil {
						postgrestest.Exec(t, db, fmt.Sprintf("insert into robots select * from jsonb_populate_record(null::robots, '%s')", rejson(t, r)))
					}
				},
			}
		},
		"Redis": func(t *testing.T) oddPlace {
			cache := redistest.Start(t)
			client := cache.Client(t)
			client.Set(t.Context(), "other:1", "somebody else's", 0)
			return oddPlace{
				connection: `{redis: {url: "` + cache.URL(0) + `"}}`, write: `{key: "robot:[{id}]"}`,
				all: func() records {
					out := records{}
					for _, key := range client.Keys(t.Context(), "robot*").Val() {
						var r map[string]any
						unjson(t, client.Get(t.Context(), key).Val(), &r)
						if left := client.TTL(t.Context(), key).Val(); left > 0 {
							r["ttl"] = left > 30*time.Minute
						}
						out[strings.TrimSuffix(strings.TrimPrefix(key, "robot:["), "]")] = r
					}
					return out
				},
				put: func(id string, r map[string]any) {
					key := "robot:[" + id + "]"
					switch {
					case r == nil:
						client.Del(t.Context(), key)
					case id == "r01": // it is to expire, whatever is repaired
						client.Set(t.Context(), key, rejson(t, r), time.Hour)
					default:
						client.Set(t.Context(), key, rejson(t, r), 0)
					}
				},
			}
		},
		"NATS": func(t *testing.T) oddPlace {
			bus := natstest.Cluster(t)
			kv, err := bus.JetStream(t).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "robots"})
			if err != nil {
				t.Fatal(err)
			}
			must := func(_ uint64, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(kv.PutString(t.Context(), "fleet.size", "somebody else's"))
			return oddPlace{
				connection: `{nats: {url: "` + bus.URL() + `"}}`, write: `{bucket: robots, key: "robot.{id}"}`,
				all: func() records {
					out := records{}
					keys, err := kv.Keys(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, key := range keys {
						if id, ours := strings.CutPrefix(key, "robot."); ours {
							entry, err := kv.Get(t.Context(), key)
							if err != nil {
								t.Fatal(err)
							}
							var r map[string]any
							unjson(t, string(entry.Value()), &r)
							out[id] = r
						}
					}
					return out
				},
				put: func(id string, r map[string]any) {
					if r == nil {
						must(0, kv.Delete(t.Context(), "robot."+id))
					} else {
						must(kv.PutString(t.Context(), "robot."+id, rejson(t, r)))
					}
				},
			}
		},
	}
}

func unjson(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func rejson(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// mending is a step that repairs a place by what an HTTP server lists.
func mending(t *testing.T, p oddPlace, more string, truth func() []any) func() driver.Action {
	t.Helper()
	var changed atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			changed.Add(1)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"robots": truth()})
	}))
	t.Cleanup(func() {
		s.Close()
		if n := changed.Load(); n > 0 {
			t.Errorf("%d requests were to change the truth", n)
		}
	})
	made := drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  legacy: {http: {url: %q}}
  odd: %s
phases:
  - name: one
    steps: [{name: it, data.reconcile: {from: legacy, read: {path: /robots, items: robots}, map: {status: {from: status, values: {running: online, stopped: offline}}}, copy: [id, port, live, meta],
      to: odd, write: %s, key: [id], ignore: [note, ttl], settle: 0s, keep: %q, %s}}]
`, s.URL, p.connection, p.write, filepath.Join(t.TempDir(), "kept.jsonl"), more), nil,
		slices.Concat(nats.Parts(), postgres.Parts(), redis.Parts(), web.Parts(), integrity.Parts())...)
	return func() driver.Action { return made.Again("it") }
}

// asLegacy is a robot as the legacy system has it.
func asLegacy(r map[string]any) map[string]any {
	out := map[string]any{"more": "that nobody takes over"}
	for name, v := range r {
		out[name] = v
	}
	switch out["status"] {
	case "online":
		out["status"] = "running"
	case "offline":
		out["status"] = "stopped"
	}
	return out
}

// The truth is a list over HTTP; what is repaired is a table, keys of Redis, or a
// bucket of NATS. The plan says what is wrong and changes nothing; afterwards both
// are equal but for what nobody compares; undo brings all back as it was.
func TestWhatAnHTTPServerListsRepairsOtherSystems(t *testing.T) {
	t.Parallel()
	for name, world := range oddPlaces(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := world(t)
			right := records{"r01": robot("r01", nil), "r02": robot("r02", nil), "r03": robot("r03", map[string]any{"status": nil}), "r04": robot("r04", map[string]any{"meta": nil}), "r05": robot("r05", nil)}
			for id, r := range map[string]map[string]any{
				"r01": robot("r01", map[string]any{"status": "offline", "note": "kept"}),
				"r03": robot("r03", map[string]any{"note": "that nobody compares"}), // has a status too many
				"r04": robot("r04", map[string]any{"port": nil, "meta": map[string]any{"a": 1.5}}),
				"r05": robot("r05", map[string]any{"note": "as it is"}),
				"x09": robot("x09", map[string]any{"note": "too many"}),
			} {
				p.put(id, r)
			}
			was := p.all()
			action := mending(t, p, "extra: delete", func() (list []any) {
				for _, r := range right {
					list = append(list, asLegacy(r))
				}
				return list
			})

			before, err := action().Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, err := action().Plan(before)
			if err != nil {
				t.Fatal(err)
			}
			shown := fmt.Sprint(state.Diff(state.Face(before), state.Face(want)))
			for _, part := range []string{"different", "missing", "extra", "[r01] different", "[r02] missing", "[x09] extra"} {
				if !strings.Contains(shown, part) {
					t.Errorf("the plan shows %s, and not %q", shown, part)
				}
			}
			if diff := cmp.Diff(was, p.all()); diff != "" {
				t.Errorf("the plan has changed something:\n%s", diff)
			}

			e, costs := carryOut(t, action())
			if !strings.Contains(costs, "3 records are overwritten, 1 written and 1 deleted") {
				t.Errorf("it costs %q", costs)
			}
			mended := p.all()
			for id, r := range mended { // what nobody compares stays
				if note, before := r["note"], was[id]["note"]; note != before || r["ttl"] != was[id]["ttl"] {
					t.Errorf("%s is noted %v, and was %v", id, note, before)
				}
				delete(r, "note")
				delete(r, "ttl")
			}
			if diff := cmp.Diff(right, mended); diff != "" {
				t.Errorf("after the repair there is not what should be:\n%s", diff)
			}
			if after, err := action().Observe(t.Context()); err != nil || len(state.Diff(state.Face(after), state.Face(want))) > 0 {
				t.Errorf("the check afterwards: %v, %v", after, err)
			}
			if err := action().Undo(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(was, p.all()); diff != "" {
				t.Errorf("undo does not bring back what was there:\n%s", diff)
			}
		})
	}
}

// What cannot be read of the truth may be what seems to be too many: nothing is
// taken away then, and with more such records than are borne nothing is repaired.
func TestWhatCannotBeReadOfTheTruthTakesNothingAway(t *testing.T) {
	t.Parallel()
	p := oddPlaces(t)["PostgreSQL"](t)
	p.put("r01", robot("r01", nil))
	p.put("r02", robot("r02", map[string]any{"port": 23.0}))
	was := p.all()
	truth := func() []any { return []any{"r01 as a bare text", asLegacy(robot("r02", nil))} }
	for more, want := range map[string]string{
		"extra: keep":             "1 that cannot be read",
		"extra: delete":           "1 that cannot be read",
		"extra: delete, bears: 1": "may be the ones that seem to be too many",
		"extra: keep, bears: 0":   "with as many that cannot be read as bears says",
	} {
		if _, err := mending(t, p, more, truth)().Observe(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", more, err, want)
		}
	}
	if diff := cmp.Diff(was, p.all()); diff != "" {
		t.Errorf("something has changed:\n%s", diff)
	}
	borne := mending(t, p, "extra: keep, bears: 1", truth)
	e, _ := carryOut(t, borne())
	if diff := cmp.Diff(records{"r01": robot("r01", nil), "r02": robot("r02", nil)}, p.all()); diff != "" {
		t.Errorf("after the repair there is not what should be:\n%s", diff)
	}
	p.put("r02", robot("r02", map[string]any{"port": 24.0}))
	if _, ok := errors.AsType[*driver.Kept](borne().Undo(context.Background(), e)); !ok || p.all()["r02"]["port"] != 24.0 {
		t.Errorf("what was changed since is %v", p.all()["r02"])
	}
}
