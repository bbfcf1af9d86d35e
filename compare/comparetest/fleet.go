package comparetest

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A robot is one as the old system tells of it.
type robot struct {
	id, ip, name, kind, status string
	battery                    float64
	odometer                   string // a number beyond 2^53
	seen                       time.Time
}

// Rules are those under which both systems are equal, as a runbook has them.
const Rules = `
        legacy-as: 'if type == "array" then {robots: ., count: length} else . end'
        rename: {'robots[*].ip_address': ip}
        values: {'robots[*].status': {running: online, stopped: offline, updating: deploying, failed: error, unknown: offline}}
        match: {robots: id|ip}
        unordered: ['robots[*].tags']
        within: {'robots[*].battery': 0.5%, 'robots[*].seen': 5s}
        null-is-missing: true
        ignore: ['**.built']
        ignore-headers: [X-System]
`

// A Fault changes what the new system answers: its JSON, once it is in the new
// shape, and its header. It returns the status.
type Fault func(path string, body map[string]any, header http.Header) (status int)

// A Pair is the two systems.
type Pair struct {
	Legacy, New *httptest.Server

	mu     sync.Mutex
	chance *rand.Rand
	fault  Fault
	robots []robot
	asked  int64
}

// Start runs both until the test ends. A fault may be nil.
func Start(t testing.TB, robots int, fault Fault) *Pair {
	p := &Pair{chance: rand.New(rand.NewPCG(1, 2)), fault: fault}
	statuses := []string{"running", "stopped", "updating", "failed"}
	for i := range robots {
		r := robot{
			id: fmt.Sprintf("r%d", i), ip: fmt.Sprintf("10.0.0.%d", i), name: fmt.Sprintf("Robot %d", i), kind: []string{"lekiwi", "xlerobot"}[i%2],
			status: statuses[i%4], battery: 50 + float64(i)/3, odometer: fmt.Sprint(9007199254740993 + 2*i), seen: time.Date(2026, 1, 29, 10, 0, i, 0, time.UTC),
		}
		if i == 2 {
			r.id = "" // odd records have none, and are known by their address
		}
		p.robots = append(p.robots, r)
	}
	p.Legacy = httptest.NewServer(http.HandlerFunc(p.old))
	p.New = httptest.NewServer(http.HandlerFunc(p.fresh))
	t.Cleanup(func() { p.Legacy.Close(); p.New.Close() })
	return p
}

// noise is what differs between any two answers: an id, a count of something
// that goes on, an order that is chance, a word that changes now and then.
func (p *Pair) noise() (id string, asked int64, load float64, shuffled []string, mood string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	shuffled = []string{"edge", "core", "lab"}
	p.chance.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	mood = "calm"
	if p.chance.IntN(50) == 0 {
		mood = "busy"
	}
	return fmt.Sprintf("%016x", p.chance.Uint64()), p.asked, p.chance.Float64(), shuffled, mood
}

func (p *Pair) old(w http.ResponseWriter, r *http.Request) {
	id, asked, load, peers, mood := p.noise()
	w.Header().Set("X-System", "legacy")
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.URL.Path == "/robots":
		out := []any{}
		for _, b := range p.robots {
			m := map[string]any{
				"ip_address": b.ip, "name": b.name, "type": b.kind, "status": b.status, "battery": b.battery, "odometer": json.Number(b.odometer),
				"last_seen": b.seen.Format("2006-01-02T15:04:05"), "seen": b.seen.Add(time.Duration(asked%3) * time.Second).Format(time.RFC3339),
				"tags": []string{"a", "b"}, "route": []int{3, 1, 2}, "owner": nil, "teleoperation": true, "built": "2019", "metadata": map[string]any{"fw.version": "1.0"},
			}
			if b.id != "" {
				m["id"] = b.id
			}
			out = append(out, m)
		}
		answer(w, 200, out)
	case r.URL.Path == "/health":
		answer(w, 200, map[string]any{"status": "healthy", "trace": id, "load": load, "asked": asked, "peers": peers, "mood": mood, "share": json.Number("0.250")})
	case strings.HasPrefix(r.URL.Path, "/robots/"):
		for _, b := range p.robots {
			if id := strings.TrimPrefix(r.URL.Path, "/robots/"); b.id == id {
				answer(w, 200, map[string]any{"id": id, "name": b.name})
				return
			}
		}
		answer(w, 404, map[string]any{"error": "no such robot"})
	case r.URL.Path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "robots_total 3\n")
	default:
		answer(w, 404, map[string]any{"error": "not here"})
	}
}

func (p *Pair) fresh(w http.ResponseWriter, r *http.Request) {
	id, asked, load, peers, mood := p.noise()
	w.Header().Set("X-System", "new")
	w.Header().Set("X-Request-Id", id)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	path, status := strings.TrimPrefix(r.URL.Path, "/api/v2"), 200
	body := map[string]any{}
	switch {
	case path == "/robots":
		words := map[string]string{"running": "online", "stopped": "offline", "updating": "deploying", "failed": "error"}
		robots := []any{}
		for _, b := range p.robots {
			m := map[string]any{
				"ip": b.ip, "name": b.name, "type": b.kind, "status": words[b.status], "battery": json.Number(fmt.Sprintf("%.1f", b.battery)), "odometer": json.Number(b.odometer),
				"last_seen": b.seen.In(time.FixedZone("", 2*3600)).Format(time.RFC3339), "seen": b.seen.Add(time.Duration(asked%3) * time.Second).Format(time.RFC3339),
				"tags": []any{"b", "a"}, "route": []any{3, 1, 2}, "teleoperation": true, "metadata": map[string]any{"fw.version": "1.0"},
			}
			if b.id != "" {
				m["id"] = b.id
			}
			robots = append(robots, m)
		}
		body = map[string]any{"robots": robots, "count": len(robots)}
	case path == "/health":
		body = map[string]any{"status": "healthy", "trace": id, "load": load, "asked": asked, "peers": peers, "mood": mood, "share": json.Number("0.25")}
	case strings.HasPrefix(path, "/robots/"):
		status, body = 404, map[string]any{"error": "no such robot"}
		for _, b := range p.robots {
			if id := strings.TrimPrefix(path, "/robots/"); b.id == id {
				status, body = 200, map[string]any{"id": id, "name": b.name}
			}
		}
	case path == "/metrics":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := "robots_total 3\n"
		if p.fault != nil {
			p.fault(path, body, w.Header())
			if planted, ok := body["text"].(string); ok {
				text = planted
			}
		}
		_, _ = io.WriteString(w, text)
		return
	}
	if p.fault != nil {
		if s := p.fault(path, body, w.Header()); s > 0 {
			status = s
		}
	}
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
