package discovery_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/discovery"
	. "github.com/segue-run/segue/examples/lekiwi/lekiwitest" //nolint:staticcheck // the words of the test
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
)

func TestDiscovery(t *testing.T) {
	w := Start(t)
	robots := newRobots(t)
	base, stop := run(t, w, robots, time.Hour)

	t.Run("a heartbeat is kept, in both systems' words", func(t *testing.T) {
		var done api.Accepted
		if code := Send(t, http.MethodPost, base+"/robot/status", `{"id":"a","type":"xle","status":"updating","ip_address":"10.0.0.1","version":"1"}`, &done); code != 200 || done.ID != "a" || !done.Durable {
			t.Errorf("%d %+v", code, done)
		}
		var r api.V2Robot
		if Send(t, http.MethodGet, base+"/api/v2/robots/a", "", &r); r.Type != robot.XLERobot || r.Status != robot.Deploying || r.Lifecycle != robot.Discovered || r.Healthy {
			t.Errorf("%+v", r)
		}
		var old robot.Record
		if Send(t, http.MethodGet, base+"/robots/a", "", &old); old.Type != "xle" || old.Status != robot.Updating {
			t.Errorf("%+v", old)
		}
	})
	t.Run("one that cannot be kept is refused by name", func(t *testing.T) {
		for body, field := range map[string]string{`{}`: "id", `{"id":"a","last_seen":"soon"}`: "last_seen", `x`: "body", `{"id":"a","metadata":{"n":1e200000}}`: ""} {
			var bad api.Error
			if code := Send(t, http.MethodPost, base+"/robot/status", body, &bad); code != 400 || bad.Field != field || bad.Error == "" {
				t.Errorf("%s: %d %+v", body, code, bad)
			}
		}
	})
	t.Run("several come at once, and a repeat changes nothing", func(t *testing.T) {
		const body = `{"heartbeats":[{"id":"m1","status":"running","message_id":"1"},{"id":"m2","status":"running","message_id":"1"},{}]}`
		for range 2 {
			var done api.Appended
			if code := Send(t, http.MethodPost, base+"/api/v2/heartbeats", body, &done); code != 200 || done.Appended != 2 || len(done.Rejected) != 1 || done.Rejected[0].Index != 2 {
				t.Errorf("%d %+v", code, done)
			}
		}
		var r robot.Robot
		if Send(t, http.MethodGet, w.StateURL+"/api/v2/robots/m1", "", &r); r.Seq != 2 {
			t.Errorf("a repeat has made something of it: %+v", r)
		}
	})
	t.Run("lists, counts and pages are those of all robots", func(t *testing.T) {
		var all api.Robots
		Await(t, "a list of all", func() bool { Send(t, http.MethodGet, base+"/robots", "", &all); return all.Total == 3 })
		var page api.V2Robots
		if Send(t, http.MethodGet, base+"/api/v2/robots?limit=2&after=a", "", &page); page.Total != 3 || len(page.Robots) != 2 || page.Robots[0].ID != "m1" || page.Next != "" {
			t.Errorf("%+v", page)
		}
		var c api.Count
		if Send(t, http.MethodGet, base+"/robots/count", "", &c); c.Total != 3 || c.ByType[robot.XLERobot] != 1 {
			t.Errorf("%+v", c)
		}
		if code := Send(t, http.MethodDelete, base+"/robots/m2", "", nil); code != 204 {
			t.Errorf("removed: %d", code)
		}
		var done api.Imported
		if Send(t, http.MethodPost, base+"/import", `{"robots":[{"id":"m2","last_seen":"2025-01-29T10:00:00"}]}`, &done); done.Imported != 1 {
			t.Errorf("%+v", done)
		}
	})
	t.Run("without the flag it looks for robots by sweeps", func(t *testing.T) {
		if n := robots.asked("10.0.0.1"); n != 0 {
			t.Errorf("a robot was asked %d times between two sweeps", n)
		}
	})
	t.Run("with the flag a robot is taken on as it appears, by one instance of two", func(t *testing.T) {
		w.Flags(t, rollout.EventDrivenDiscovery)
		second, _ := run(t, w, robots, time.Hour)
		for _, at := range []string{base, second} {
			Await(t, "the flag", func() bool {
				var h api.Health
				Send(t, http.MethodGet, at+"/health", "", &h)
				return h.Detail["discovery"] == "events"
			})
		}
		for i := range 20 {
			Send(t, http.MethodPost, base+"/robot/status", fmt.Sprintf(`{"id":"10.1.0.%d","status":"running","ip_address":"10.1.0.%[1]d"}`, i), nil)
		}
		for i := range 20 {
			ip := fmt.Sprintf("10.1.0.%d", i)
			Await(t, ip+" to be ready", func() bool {
				var r robot.Robot
				Send(t, http.MethodGet, w.StateURL+"/api/v2/robots/"+ip, "", &r)
				return r.Lifecycle == robot.Ready
			})
			if n := robots.asked(ip); n != 1 {
				t.Errorf("%s was asked %d times", ip, n)
			}
		}
	})
	t.Run("discover asks at once", func(t *testing.T) {
		var d api.Discovered
		if Send(t, http.MethodGet, base+"/api/v2/discover/10.2.0.1", "", &d); !d.Answer || d.Type != robot.Lekiwi {
			t.Errorf("%+v", d)
		}
		if code := Send(t, http.MethodGet, base+"/robots/10.2.0.1", "", nil); code != 404 {
			t.Errorf("to ask was enough to keep it: %d", code)
		}
		Send(t, http.MethodPost, base+"/api/v2/discover/10.2.0.1", "", &d)
		if code := Send(t, http.MethodGet, base+"/robots/10.2.0.1", "", nil); code != 200 {
			t.Errorf("it was not kept: %d", code)
		}
		if Send(t, http.MethodGet, base+"/api/v2/discover/10.9.0.1", "", &d); d.Answer || d.Error == "" {
			t.Errorf("of one that does not answer: %+v", d)
		}
	})
	t.Run("PostgreSQL is away: 503, and no restart when it is back", func(t *testing.T) {
		w.Stores.StopPostgres()
		const body = `{"id":"late","status":"running","message_id":"late"}`
		if code := Send(t, http.MethodPost, base+"/robot/status", body, nil); code != 503 {
			t.Errorf("a heartbeat: %d", code)
		}
		if code := Send(t, http.MethodGet, base+"/robots/count", "", nil); code != 503 {
			t.Errorf("a count: %d", code)
		}
		Check(t, w.Stores.StartPostgres())
		Await(t, "the heartbeat", func() bool { return Send(t, http.MethodPost, base+"/robot/status", body, nil) == 200 })
	})
	t.Run("heartbeats over WebSocket are acked, also those under way at its end", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"/ws", nil)
		Check(t, err)
		defer ws.CloseNow()
		var acked atomic.Uint64
		closed := make(chan error, 1)
		go func() {
			for {
				var m api.Message
				if err := wsjson.Read(ctx, ws, &m); err != nil {
					closed <- err
					return
				}
				acked.Store(max(acked.Load(), m.N))
			}
		}()
		var once sync.Once
		for n := uint64(1); ; n++ { // until it says goodbye
			h := &api.Heartbeat{Record: robot.Record{ID: fmt.Sprintf("ws-%d", n), Status: robot.Running}, MessageID: "1"}
			if wsjson.Write(ctx, ws, api.Message{Type: api.TypeHeartbeat, N: n, Heartbeat: h}) != nil {
				break
			}
			if acked.Load() >= 1000 {
				once.Do(func() { go stop() })
			}
		}
		if err := <-closed; websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("closed with %v", err)
		}
		stop()
		if kept := count(t, w); acked.Load() < 1000 || uint64(kept) != acked.Load() {
			t.Errorf("%d acked, %d kept", acked.Load(), kept)
		}
	})
}

func count(t *testing.T, w *World) (n int) {
	t.Helper()
	var page api.RobotPage
	Send(t, http.MethodGet, w.StateURL+"/api/v2/robots?limit=10000&after=ws-", "", &page)
	for _, r := range page.Robots {
		if strings.HasPrefix(r.ID, "ws-") {
			n++
		}
	}
	return n
}

func TestSweep(t *testing.T) {
	w := Start(t)
	robots := newRobots(t)
	base, _ := run(t, w, robots, 100*time.Millisecond)
	lifecycle := func(id string) robot.Lifecycle {
		var r robot.Robot
		Send(t, http.MethodGet, w.StateURL+"/api/v2/robots/"+id, "", &r)
		return r.Lifecycle
	}
	for _, ip := range []string{"10.1.0.1", "10.9.0.1"} {
		Send(t, http.MethodPost, base+"/robot/status", fmt.Sprintf(`{"ip_address":%q,"status":"running"}`, ip), nil)
	}
	Await(t, "the one that answers to be taken on and asked", func() bool { return lifecycle("10.1.0.1") != robot.Discovered })
	Await(t, "the other to be taken on", func() bool { return lifecycle("10.9.0.1") == robot.Provisioning })
	for range 2 {
		Send(t, http.MethodPost, base+"/robot/status", `{"ip_address":"10.9.0.1","status":"running"}`, nil)
	}
	Await(t, "the one that no longer answers to fail", func() bool { return lifecycle("10.9.0.1") == robot.Failed })
}

// robots answers for robots at any address but those in 10.9.
type robots struct {
	url  string
	mu   sync.Mutex
	asks map[string]int
}

func (r *robots) asked(ip string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asks[ip]
}

func newRobots(t *testing.T) *robots {
	t.Helper()
	r := &robots{asks: map[string]int{}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		ip := strings.TrimPrefix(q.URL.Path, "/")
		r.mu.Lock()
		r.asks[ip]++
		r.mu.Unlock()
		if strings.HasPrefix(ip, "10.9.") {
			http.Error(w, "nobody", http.StatusBadGateway)
			return
		}
		fmt.Fprintf(w, `{"ip_address":%q,"hostname":"lekiwi","status":"running"}`, ip)
	}))
	t.Cleanup(web.Close)
	r.url = web.URL + "/{ip}"
	return r
}

func run(t *testing.T, w *World, r *robots, sweep time.Duration) (base string, stop func()) {
	t.Helper()
	addr := FreeAddr(t)
	stop = Run(t, "http://"+addr, discovery.Run, discovery.Config{
		Addr: addr, StateURLs: []string{"http://127.0.0.1:1", w.StateURL}, RobotURL: r.url, MigrationConfig: w.MigrationConfig,
		SweepEvery: sweep, ProbeAfter: sweep, ProbeTimeout: time.Second,
	})
	return "http://" + addr, stop
}
