package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/segue-run/segue/datasync"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/driver/web"
	"github.com/segue-run/segue/state"
)

var server postgrestest.Shared

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

// parts are what runbooks of these tests may use.
func parts() []driver.Part {
	return slices.Concat(datasync.Parts(), nats.Parts(), postgres.Parts(), redis.Parts(), web.Parts())
}

// robots is an HTTP server that lists robots, in pages or whole, and imports
// them as the legacy system does: what is newer stays.
type robots struct {
	*httptest.Server
	mu     sync.Mutex
	order  []string
	byID   map[string]map[string]any
	sizes  []int // of the batches that were posted
	totals []any
}

func newRobots(t testing.TB, records ...map[string]any) *robots {
	t.Helper()
	r := &robots{byID: map[string]map[string]any{}}
	for i, rec := range records {
		r.put(fmt.Sprint(i), rec)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /robots", r.list)
	mux.HandleFunc("POST /import", r.imports)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

func (r *robots) put(at string, rec map[string]any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.byID[at]; !there {
		r.order = append(r.order, at)
	}
	r.byID[at] = rec
}

func (r *robots) drop(at string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = slices.DeleteFunc(r.order, func(id string) bool { return id == at })
	delete(r.byID, at)
}

func (r *robots) list(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, limit, next := 0, len(r.order), ""
	if s := req.URL.Query().Get("limit"); s != "" {
		_, _ = fmt.Sscan(s, &limit)
		_, _ = fmt.Sscan(req.URL.Query().Get("after"), &from)
		if from+limit < len(r.order) {
			next = fmt.Sprint(from + limit)
		}
	}
	list := []any{}
	for _, id := range r.order[from:min(from+limit, len(r.order))] {
		list = append(list, r.byID[id])
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"total": len(r.order), "robots": list, "next": next})
}

func (r *robots) imports(w http.ResponseWriter, req *http.Request) {
	var in struct {
		Robots []map[string]any `json:"robots"`
		Total  any              `json:"total"`
	}
	body, _ := io.ReadAll(req.Body)
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.sizes, r.totals = append(r.sizes, len(in.Robots)), append(r.totals, in.Total)
	r.mu.Unlock()
	rejected := []any{}
	for i, rec := range in.Robots {
		id, _ := rec["id"].(string)
		if port, _ := rec["ssh_port"].(float64); port > 65535 {
			rejected = append(rejected, map[string]any{"index": i, "field": "ssh_port", "error": "is no port"})
			continue
		}
		if old, there := r.get(id); there && fmt.Sprint(old["last_seen"]) >= fmt.Sprint(rec["last_seen"]) {
			continue
		}
		r.put(id, rec)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"imported": len(in.Robots) - len(rejected), "rejected": rejected})
}

func (r *robots) get(id string) (map[string]any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, there := r.byID[id]
	return rec, there
}

func (r *robots) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order)
}

// fleet is n robots in good order.
func fleet(n int) []map[string]any {
	out := make([]map[string]any, n)
	for i := range out {
		out[i] = map[string]any{
			"id": fmt.Sprintf("robot-%05d", i), "hostname": fmt.Sprintf("lekiwi-%d", i), "ip_address": fmt.Sprintf("10.0.%d.%d", i/250, i%250),
			"status": "running", "version": "1.0", "last_seen": fmt.Sprintf("2025-01-29T10:%02d:%02d", i/60%60, i%60), "teleoperation": i%7 == 0, "ssh_port": 22,
		}
	}
	return out
}

// life is an effect that saves to memory.
type life struct{ cursor json.RawMessage }

func (l *life) effect(a driver.Action, t testing.TB) driver.Effect {
	t.Helper()
	want, err := a.Plan(nil)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{
		Want: want, Cursor: l.cursor, Mine: func() error { return nil },
		Save: func(_ context.Context, c any) (err error) { l.cursor, err = json.Marshal(c); return err },
	}
}

// apply applies the step called sync of a runbook, and gives its only resource.
func apply(t *testing.T, text string, env map[string]string) state.Fields {
	t.Helper()
	a := drivertest.Make(t, text, env, parts()...).Actions["sync"]
	after, err := a.Apply(t.Context(), (&life{}).effect(a, t))
	if err != nil {
		t.Fatal(err)
	}
	return after[a.Resources()[0].ID]
}

// counts are the fields of a step's result, in order.
func counts(f state.Fields) string {
	var out []string
	for _, name := range []string{"read", "changed", "unchanged", "bad", "deleted"} {
		out = append(out, name+" "+string(f[name]))
	}
	return strings.Join(out, ", ")
}

// withAction is a runbook of these tests with another sync.
func withAction(text, action string) string {
	return strings.Replace(text, "sync.once", "sync."+action, 1)
}
