package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// peer is a system as the fleet sees one, that fails now and then. It keeps
// nothing but what it was told.
type peer struct {
	URL string
	// every is how often it fails: each that manieth heartbeat is answered with
	// 503, or ends its connection unacked; 0 for never.
	every int

	mu       sync.Mutex
	said     int
	kept     map[string][]string // robot to message ids, repeats left out
	sessions map[string]api.Session
	watchers map[*websocket.Conn]bool
	polls    int
	opened   int // WebSockets
}

func newPeer(t *testing.T, every int) *peer {
	t.Helper()
	p := &peer{every: every, kept: map[string][]string{}, sessions: map[string]api.Session{}, watchers: map[*websocket.Conn]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /robot/status", p.status)
	mux.HandleFunc("GET /ws", p.socket)
	mux.HandleFunc("POST /api/v2/sessions", p.start)
	mux.HandleFunc("DELETE /api/v2/sessions/{id}", p.stop)
	mux.HandleFunc("POST /api/v2/sessions/{id}/quality", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /robots/", func(http.ResponseWriter, *http.Request) { p.mu.Lock(); p.polls++; p.mu.Unlock() })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// keep says whether it wants to keep a heartbeat.
func (p *peer) keep(h api.Heartbeat) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said++
	if p.every > 0 && p.said%p.every == 0 {
		return false
	}
	rec := h.Record
	if err := rec.Normalize(); err != nil {
		panic(err)
	}
	id := h.MessageID
	if id == "" {
		id = "content " + rec.LastSeen.String()
	}
	for _, before := range p.kept[rec.ID] {
		if before == id {
			return true
		}
	}
	p.kept[rec.ID] = append(p.kept[rec.ID], id)
	return true
}

func (p *peer) status(w http.ResponseWriter, r *http.Request) {
	var h api.Heartbeat
	if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !p.keep(h) {
		http.Error(w, `{"error":"not now"}`, http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(api.Accepted{Status: api.StatusOK, Durable: true})
}

func (p *peer) socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.opened++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.watchers, conn)
		p.mu.Unlock()
		_ = conn.CloseNow()
	}()
	ctx := r.Context()
	for {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var m api.Message
		if json.Unmarshal(raw, &m) != nil {
			return
		}
		switch m.Type {
		case api.TypeSubscribe:
			if write(ctx, conn, api.Message{Type: api.TypeSubscribed, Topics: m.Topics}) != nil {
				return
			}
			p.mu.Lock()
			p.watchers[conn] = true
			p.mu.Unlock()
		case api.TypeHeartbeat:
			if !p.keep(*m.Heartbeat) || write(ctx, conn, api.Message{Type: api.TypeAck, N: m.N}) != nil {
				return
			}
			change := api.Message{Type: api.TypeState, Change: &api.Change{Kind: robot.Heartbeat, Robot: &robot.Robot{Metadata: m.Heartbeat.Metadata}}}
			p.mu.Lock()
			for watcher := range p.watchers {
				_ = write(ctx, watcher, change)
			}
			p.mu.Unlock()
		}
	}
}

func (p *peer) start(w http.ResponseWriter, r *http.Request) {
	var s api.SessionStart
	_ = json.NewDecoder(r.Body).Decode(&s)
	p.mu.Lock()
	defer p.mu.Unlock()
	session := api.Session{ID: fmt.Sprint(len(p.sessions)), RobotID: s.RobotID, Operator: s.Operator}
	p.sessions[session.ID] = session
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(session)
}

func (p *peer) stop(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	session := p.sessions[r.PathValue("id")]
	now := time.Now()
	session.EndedAt = &now
	p.sessions[session.ID] = session
}

func (p *peer) config(t *testing.T) Config {
	return Config{
		Seed: 1, Run: "t", Robots: 60, WebSocketShare: 0.5, Heartbeats: 600, Polls: 100, Drives: 20, Watchers: 20, Topic: api.TopicRobots,
		Duration: time.Second, URL: p.URL, SessionsURL: p.URL, Journal: t.TempDir() + "/journal",
	}
}

func (p *peer) ids() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]bool{}
	for _, ids := range p.kept {
		for _, id := range ids {
			out[strings.TrimSpace(id)] = true
		}
	}
	return out
}
