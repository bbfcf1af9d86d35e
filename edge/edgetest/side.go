package edgetest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A Side is one of those that an edge splits between. It says who it is in
// each answer, and at /ws it echoes the messages of a WebSocket.
type Side struct {
	Name string
	*httptest.Server
	Takes  atomic.Int64 // how long an answer takes, in nanoseconds
	Served atomic.Int64 // requests, WebSockets among them
	Open   atomic.Int64 // WebSockets
}

// NewSide runs one until the test ends.
func NewSide(t testing.TB, name string) *Side {
	s := &Side{Name: name}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Addr is where it listens.
func (s *Side) Addr() string { return strings.TrimPrefix(s.URL, "http://") }

func (s *Side) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Served.Add(1)
	w.Header().Set("X-Side", s.Name)
	if r.URL.Path == "/ws" {
		s.echo(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if d := time.Duration(s.Takes.Load()); d > 0 {
		<-time.After(d)
	}
	_, _ = io.WriteString(w, s.Name+" "+r.Method+" "+string(body)) //nolint:gosec // it is no browser that reads it
}

func (s *Side) echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow() //nolint:errcheck // it is over either way
	s.Open.Add(1)
	defer s.Open.Add(-1)
	for {
		kind, msg, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, append([]byte(s.Name+" "), msg...)) != nil {
			return
		}
	}
}
