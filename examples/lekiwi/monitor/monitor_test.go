package monitor_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/segue-run/segue/examples/lekiwi/api"
	. "github.com/segue-run/segue/examples/lekiwi/lekiwitest" //nolint:staticcheck // the words of the test
	"github.com/segue-run/segue/examples/lekiwi/monitor"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
)

func TestMonitor(t *testing.T) {
	w := Start(t)
	cfg := monitor.Config{Addr: FreeAddr(t), WebSocketAddr: FreeAddr(t), StateURLs: []string{w.StateURL}, MigrationConfig: w.MigrationConfig}
	base := "http://" + cfg.Addr
	stop := Run(t, base, monitor.Run, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	Await(t, "the sockets", func() bool { // they are taken once changes are followed
		ws, _, err := websocket.Dial(ctx, "ws://"+cfg.WebSocketAddr+"/ws", nil)
		if err == nil {
			_ = ws.CloseNow()
		}
		return err == nil
	})
	watch := func(mode string) *websocket.Conn {
		t.Helper()
		ws, _, err := websocket.Dial(ctx, "ws://"+cfg.WebSocketAddr+"/ws", nil)
		Check(t, err)
		t.Cleanup(func() { _ = ws.CloseNow() })
		if m := hear(ctx, t, ws, api.TypeHello); m.Mode != mode {
			t.Errorf("hello in mode %s, want %s", m.Mode, mode)
		}
		Check(t, wsjson.Write(ctx, ws, api.Message{Type: api.TypeSubscribe, Topics: []string{api.TopicRobots}}))
		hear(ctx, t, ws, api.TypeSubscribed)
		return ws
	}
	n := uint64(0)
	report := func(ws *websocket.Conn, version string) {
		t.Helper()
		n++
		Check(t, wsjson.Write(ctx, ws, api.Message{Type: api.TypeHeartbeat, N: n, Heartbeat: &api.Heartbeat{
			Record: robot.Record{ID: "a", Status: robot.Running, Version: version}, MessageID: fmt.Sprint(n),
		}}))
	}
	robots, _, err := websocket.Dial(ctx, "ws://"+cfg.WebSocketAddr+"/ws", nil)
	Check(t, err)
	defer robots.CloseNow()

	watcher := watch(api.ModePoll)
	t.Run("without the flag what has changed is told every five seconds", func(t *testing.T) {
		report(robots, "1")
		report(robots, "2")
		for hear(ctx, t, robots, api.TypeAck).N < 2 { // both are kept
		}
		begun := time.Now()
		for hear(ctx, t, watcher, api.TypeState).Change.Robot.Version != "2" { // the five seconds may have been over between them
		}
		if took := time.Since(begun); took > 6*time.Second {
			t.Errorf("told after %s", took)
		}
	})
	w.Flags(t, rollout.WebsocketMonitoring)
	Await(t, "the flag", func() bool {
		var h api.Health
		Send(t, http.MethodGet, base+"/health", "", &h)
		return h.Detail["changes"] == api.ModePush && h.Detail["connections"] == 2.0
	})
	t.Run("with it each change is told as it happens, also to those who watch already", func(t *testing.T) {
		both := []*websocket.Conn{watcher, watch(api.ModePush)}
		for _, version := range []string{"3", "4"} {
			report(robots, version)
			for _, ws := range both {
				if m := hear(ctx, t, ws, api.TypeState); m.Change.Robot.Version != version {
					t.Errorf("told of version %s, want %s", m.Change.Robot.Version, version)
				}
			}
		}
	})
	t.Run("what changes while PostgreSQL comes back is told", func(t *testing.T) {
		w.Stores.StopPostgres()
		if code := Send(t, http.MethodGet, base+"/health", "", nil); code != 503 {
			t.Errorf("health: %d", code)
		}
		Check(t, w.Stores.StartPostgres())
		report(robots, "5")
		if m := hear(ctx, t, watcher, api.TypeState); m.Change.Robot.Version != "5" {
			t.Errorf("told of version %s", m.Change.Robot.Version)
		}
	})
	t.Run("at its end it says goodbye", func(t *testing.T) {
		go stop()
		for {
			if _, _, err := watcher.Read(ctx); err != nil {
				if websocket.CloseStatus(err) != websocket.StatusGoingAway {
					t.Errorf("closed with %v", err)
				}
				return
			}
		}
	})
}

// hear waits for a message of a type.
func hear(ctx context.Context, t *testing.T, ws *websocket.Conn, kind string) api.Message {
	t.Helper()
	for {
		var m api.Message
		if err := wsjson.Read(ctx, ws, &m); err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.Type == kind {
			return m
		}
	}
}
