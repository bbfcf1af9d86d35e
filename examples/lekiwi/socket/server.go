package socket

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// Take keeps a heartbeat and calls done when it is kept, or with an error: a
// *robot.InvalidError if it never will be, else whoever has sent it is to send
// it again. The calls come in the order of the heartbeats, and must not block.
type Take func(h api.Heartbeat, done func(error))

// Server has the connections. Its fields but Log may be left out.
type Server struct {
	Take Take          // without it no heartbeat is taken
	Hub  *Hub          // without it nobody can watch
	Mode func() string // of hello
	Log  *slog.Logger
	// DropAfter is how long one may be silent; 0 is api.DropAfter. Ping is how
	// often it is asked; 0 is api.HeartbeatEvery.
	DropAfter, Ping time.Duration
	// TakeWithin is how long a client may take for what is written to it; 0 is ten
	// seconds.
	TakeWithin time.Duration

	mu      sync.Mutex
	conns   map[*conn]bool
	ending  bool
	count   atomic.Int64
	dropped atomic.Int64
}

// Count is how many connections there are.
func (s *Server) Count() int { return int(s.count.Load()) }

// Dropped is how many were dropped for their silence.
func (s *Server) Dropped() int { return int(s.dropped.Load()) }

// ServeHTTP opens one and serves it until it ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &conn{server: s, topics: map[string]bool{}, wake: make(chan struct{}, 1), room: make(chan struct{}, 1), written: make(chan struct{})}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnPingReceived: func(context.Context, []byte) bool { c.heard(); return true },
		OnPongReceived: func(context.Context, []byte) { c.heard() },
	})
	if err != nil {
		return // it has answered
	}
	ws.SetReadLimit(api.MaxMessage)
	c.ws = ws
	c.heard()
	if !s.add(c) {
		_ = ws.Close(websocket.StatusGoingAway, "the service ends")
		return
	}
	defer s.remove(c)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	hello := api.Message{Type: api.TypeHello, Mode: api.ModePush}
	if s.Mode != nil {
		hello.Mode = s.Mode()
	}
	c.say(hello)
	go c.write(ctx) //nolint:gosec // the server ends writing by closing the connection
	c.read(ctx)
	cancel()
	_ = ws.CloseNow() // it has ended, and so does a write
	<-c.written
}

func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return false
	}
	if s.conns == nil {
		s.conns = map[*conn]bool{}
	}
	s.conns[c] = true
	// Those who come together are not asked together.
	c.asked = time.Now().Add(-rand.N(cmp.Or(s.Ping, api.HeartbeatEvery)))
	s.count.Add(1)
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.count.Add(-1)
	if s.Hub != nil {
		s.Hub.forget(c)
	}
}

func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// looks is how often within a ping's time the connections are looked at.
const looks = 20

var ping = encode(api.Message{Type: api.TypePing})

// Run asks those who are connected whether they are there, and drops who has
// been silent for too long, until ctx ends; then it says goodbye to all.
func (s *Server) Run(ctx context.Context) {
	every, drop := cmp.Or(s.Ping, api.HeartbeatEvery), cmp.Or(s.DropAfter, api.DropAfter)
	tick := time.NewTicker(every / looks)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.close(context.WithoutCancel(ctx))
			return
		}
		now := time.Now()
		for _, c := range s.all() {
			switch {
			case c.dropping:
			case c.stuck(now, cmp.Or(s.TakeWithin, takeWithin)):
				c.dropping = true
				s.dropped.Add(1)
				go func() { _ = c.ws.CloseNow() }()
			case now.Sub(c.lastHeard()) >= drop:
				c.dropping = true
				s.dropped.Add(1)
				go c.end(websocket.StatusPolicyViolation, "silent for too long")
			case now.Sub(c.asked) >= every:
				c.asked = now
				c.control(ping)
			}
		}
	}
}

// close takes no more heartbeats, waits until those that were taken are
// answered, and ends all connections.
func (s *Server) close(ctx context.Context) {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, c := range s.all() {
		all.Go(func() { c.goodbye(ctx, websocket.StatusGoingAway, "the service ends") })
	}
	all.Wait()
}
