package legacy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

func TestLegacy(t *testing.T) {
	base, restart := start(t, "http://127.0.0.1:1/{ip}", time.Hour)
	t.Run("a robot reports itself", func(t *testing.T) {
		var done api.Accepted
		if code := send(t, http.MethodPost, base+"/robot/status", `{"ip_address":"10.0.0.1","hostname":"lekiwi-1","status":"Running","version":"1"}`, &done); code != 200 || done.ID != "10.0.0.1" || done.Durable {
			t.Errorf("%d %+v", code, done)
		}
		send(t, http.MethodPost, base+"/robot/status", `{"id":"b","type":"xle","status":"updating","version":"1","teleoperation":true,"last_seen":"2025-01-29T10:00:00"}`, nil)
		send(t, http.MethodPost, base+"/robot/status", `{"id":"b","type":"xle","status":"running","version":"2","teleoperation":true,"last_seen":"2025-01-29T10:00:01"}`, nil)
		var bad api.Error
		if code := send(t, http.MethodPost, base+"/robot/status", `{"status":"running"}`, &bad); code != 400 || bad.Field != "id" {
			t.Errorf("%d %+v", code, bad)
		}
	})
	t.Run("and is listed, counted and found", func(t *testing.T) {
		var all api.Robots
		if send(t, http.MethodGet, base+"/robots", "", &all); all.Total != 2 || all.Robots[0].ID != "10.0.0.1" || all.Robots[0].LastSeen.IsZero() {
			t.Errorf("%+v", all)
		}
		var c api.Count
		if send(t, http.MethodGet, base+"/robots/count", "", &c); c.Total != 2 || c.ByType[robot.XLERobot] != 1 || c.ByStatus[robot.Running] != 2 || c.Teleoperation != 1 {
			t.Errorf("%+v", c)
		}
		var d api.Deployments
		if send(t, http.MethodGet, base+"/deployments", "", &d); len(d.Deployments) != 1 || d.Deployments[0].To != "2" {
			t.Errorf("%+v", d)
		}
		if code := send(t, http.MethodGet, base+"/robots/c", "", nil); code != 404 {
			t.Errorf("of nobody: %d", code)
		}
	})
	t.Run("an import overwrites nothing newer", func(t *testing.T) {
		var done api.Imported
		send(t, http.MethodPost, base+"/import", `{"robots":[{"id":"b","version":"0","last_seen":"2025-01-29T09:00:00"},{"id":"c","last_seen":"2025-01-29T09:00:00Z"},{}]}`, &done)
		var b robot.Record
		if send(t, http.MethodGet, base+"/robots/b", "", &b); done.Imported != 2 || len(done.Rejected) != 1 || b.Version != "2" {
			t.Errorf("%+v, then %+v", done, b)
		}
		if code := send(t, http.MethodDelete, base+"/robots/c", "", nil); code != 204 {
			t.Errorf("removed: %d", code)
		}
		if code := send(t, http.MethodDelete, base+"/robots/c", "", nil); code != 404 {
			t.Errorf("removed again: %d", code)
		}
	})
	t.Run("heartbeats come over WebSocket too", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"/ws", nil)
		fatal(t, err)
		defer ws.CloseNow()
		fatal(t, wsjson.Write(ctx, ws, api.Message{Type: api.TypeHeartbeat, N: 1, Heartbeat: &api.Heartbeat{Record: robot.Record{ID: "w", Status: robot.Running}}}))
		var m api.Message
		for m.Type != api.TypeAck {
			fatal(t, wsjson.Read(ctx, ws, &m))
		}
		if code := send(t, http.MethodGet, base+"/robots/w", "", nil); m.N != 1 || code != 200 {
			t.Errorf("acked %d, then %d", m.N, code)
		}
	})
	t.Run("nothing survives a restart", func(t *testing.T) {
		restart()
		var c api.Count
		if send(t, http.MethodGet, base+"/robots/count", "", &c); c.Total != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestARobotThatDoesNotAnswerHoldsTheOthersUp(t *testing.T) {
	asked, free := make(chan string, 8), make(chan struct{})
	robots := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ip := strings.TrimPrefix(r.URL.Path, "/")
		asked <- ip
		if ip == "10.0.0.1" {
			select {
			case <-free:
			case <-r.Context().Done():
			}
			return
		}
		fmt.Fprintf(w, `{"ip_address":%q,"status":"running","version":"of the poll"}`, ip)
	}))
	defer robots.Close()
	defer close(free)
	base, _ := start(t, robots.URL+"/{ip}", 50*time.Millisecond)
	send(t, http.MethodPost, base+"/import", `{"robots":[{"ip_address":"10.0.0.1"},{"ip_address":"10.0.0.2"}]}`, nil)
	for <-asked != "10.0.0.1" {
	}
	begun := time.Now()
	send(t, http.MethodGet, base+"/robots/count", "", nil)
	if took := time.Since(begun); took < pollTimeout/2 {
		t.Errorf("an operator was answered after %s, while a robot did not answer", took)
	}
	await(t, func() bool {
		var r robot.Record
		send(t, http.MethodGet, base+"/robots/10.0.0.2", "", &r)
		return r.Version == "of the poll"
	})
}

const pollTimeout = 500 * time.Millisecond

func start(t *testing.T, robotURL string, every time.Duration) (base string, restart func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	addr := l.Addr().String()
	l.Close()
	var stop func()
	launch := func() {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		cfg := Config{Addr: addr, RobotURL: robotURL, PollEvery: every, PollTimeout: pollTimeout}
		go func() { done <- Run(ctx, cfg, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
		stop = func() { cancel(); fatal(t, <-done) }
		await(t, func() bool {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
	launch()
	t.Cleanup(func() { stop() })
	return "http://" + addr, func() { stop(); launch() }
}

func send(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body)) //nolint:noctx // a test
	fatal(t, err)
	resp, err := http.DefaultClient.Do(req)
	fatal(t, err)
	defer resp.Body.Close()
	if into != nil {
		fatal(t, json.NewDecoder(resp.Body).Decode(into))
	}
	return resp.StatusCode
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
