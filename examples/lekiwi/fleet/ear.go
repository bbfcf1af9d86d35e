package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// ear hears what a server says on one connection. It costs little: ten thousand
// of them share the machine with the server that they measure.
type ear struct {
	conn    *websocket.Conn
	heard   bytes.Buffer
	silence *time.Timer
	forget  func() bool
}

// newEar closes the connection when ctx ends, and when the server has said
// nothing for as long as it would bear itself.
func newEar(ctx context.Context, conn *websocket.Conn) *ear {
	hangUp := func() { _ = conn.CloseNow() } // the reader is told
	return &ear{conn: conn, silence: time.AfterFunc(api.DropAfter, hangUp), forget: context.AfterFunc(ctx, hangUp)}
}

// next waits for a message, which is there until the next one.
func (e *ear) next() ([]byte, error) {
	_, r, err := e.conn.Reader(context.Background())
	if err == nil {
		e.heard.Reset()
		_, err = e.heard.ReadFrom(r)
	}
	if err != nil {
		return nil, fmt.Errorf("read from the WebSocket: %w", err)
	}
	e.silence.Reset(api.DropAfter)
	return e.heard.Bytes(), nil
}

// close ends the connection, too.
func (e *ear) close() {
	e.silence.Stop()
	e.forget()
	_ = e.conn.CloseNow() // whatever mattered was answered
}

// news is what a watcher reads of a message.
type news struct {
	Type   string `json:"type"`
	Error  string `json:"error"`
	Change struct {
		Kind  robot.Kind `json:"kind"`
		Robot struct {
			Metadata json.RawMessage `json:"metadata"`
		} `json:"robot"`
	} `json:"change"`
}

// told is what matters of it.
type told struct {
	kind, error string
	// due is when the heartbeat was due that is told of; 0 for anything else.
	due int64
}

// reader reads what many watchers are told. All of them are told the same, so
// it reads each message once.
type reader struct {
	mu    sync.RWMutex
	known map[string]told
}

// mostKnown bounds what is kept.
const mostKnown = 1000

func (r *reader) read(raw []byte) (told, error) {
	r.mu.RLock()
	t, ok := r.known[string(raw)]
	r.mu.RUnlock()
	if ok {
		return t, nil
	}
	var n news
	if err := json.Unmarshal(raw, &n); err != nil {
		return told{}, fmt.Errorf("read from the WebSocket: %w", err)
	}
	t = told{kind: n.Type, error: n.Error}
	if beat, ok := BeatOf(n.Change.Robot.Metadata); ok && n.Change.Kind == robot.Heartbeat {
		t.due = beat.Due
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= mostKnown {
		r.known = map[string]told{}
	}
	r.known[string(raw)] = t
	return t, nil
}
