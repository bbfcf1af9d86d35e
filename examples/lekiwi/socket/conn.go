package socket

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

const (
	// maxPending is how many heartbeats of a connection may wait to be kept
	// before no more are read.
	maxPending = 512
	takeWithin = 10 * time.Second
)

// conn is one connection.
type conn struct {
	server *Server
	ws     *websocket.Conn
	said   atomic.Int64 // when the client has said something, in Unix nanoseconds
	taking atomic.Int64 // since when the client is to take what is written now; 0: nothing is
	asked  time.Time    // the server's Run alone

	// Of the hub, under its lock.
	topics map[string]bool
	told   uint64

	dropping bool // the server's Run alone
	draining atomic.Bool
	broken   atomic.Bool // a heartbeat could not be kept: what comes after it is not acked
	pending  atomic.Int64
	room     chan struct{} // one of the pending is answered

	mu       sync.Mutex
	controls [][]byte
	acked    uint64 // the highest n that is kept
	ackSaid  uint64
	states   []state
	at       map[string]int // where in states a robot is
	writing  bool           // what next gave is not all written
	wake     chan struct{}
	written  chan struct{} // closed when nothing more will be written
}

type state struct {
	robot string
	body  []byte
}

func (c *conn) heard()               { c.said.Store(time.Now().UnixNano()) }
func (c *conn) lastHeard() time.Time { return time.Unix(0, c.said.Load()) }

// stuck reports whether the client has not taken for too long what is written to
// it. The server looks for that: a deadline for each of ten thousand writes would
// cost more than what is written.
func (c *conn) stuck(now time.Time, within time.Duration) bool {
	since := c.taking.Load()
	return since != 0 && now.Sub(time.Unix(0, since)) >= within
}

// read takes what the client says until the connection ends.
func (c *conn) read(ctx context.Context) {
	for {
		kind, body, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		c.heard()
		if kind != websocket.MessageText {
			c.say(api.Message{Type: api.TypeError, Error: "is no text"})
			continue
		}
		var m api.Message
		if err := robot.Decode(body, &m); err != nil {
			c.refuse(m.N, err)
			continue
		}
		c.handle(ctx, m)
	}
}

func (c *conn) handle(ctx context.Context, m api.Message) {
	switch m.Type {
	case api.TypePong:
	case api.TypeHeartbeat:
		c.heartbeat(ctx, m)
	case api.TypeSubscribe, api.TypeUnsubscribe:
		if c.server.Hub == nil {
			c.say(api.Message{Type: api.TypeError, Error: "nobody can watch here: the websocket-monitor tells of changes"})
			return
		}
		for _, topic := range m.Topics {
			if !knownTopic(topic) {
				c.say(api.Message{Type: api.TypeError, Field: "topics", Error: "there is no topic " + topic})
				return
			}
		}
		c.say(api.Message{Type: api.TypeSubscribed, Topics: c.server.Hub.subscribe(c, m.Topics, m.Type == api.TypeSubscribe)})
	default:
		c.say(api.Message{Type: api.TypeError, N: m.N, Field: "type", Error: "there is no type " + m.Type})
	}
}

func (c *conn) heartbeat(ctx context.Context, m api.Message) {
	switch {
	case c.server.Take == nil:
		c.say(api.Message{Type: api.TypeError, N: m.N, Error: "no heartbeats are taken here"})
		return
	case m.Heartbeat == nil:
		c.say(api.Message{Type: api.TypeError, N: m.N, Field: "heartbeat", Error: "is missing"})
		return
	}
	for c.pending.Load() >= maxPending {
		select {
		case <-c.room:
		case <-ctx.Done():
			return
		}
	}
	// Before looking whether it is draining, so that goodbye sees it.
	c.pending.Add(1)
	if c.draining.Load() {
		c.pending.Add(-1)
		return // it will be sent again, as it is not acked
	}
	c.server.Take(*m.Heartbeat, func(err error) { c.kept(m.N, err) })
}

// kept is told what became of a heartbeat.
func (c *conn) kept(n uint64, err error) {
	var bad *robot.InvalidError
	switch {
	case err == nil && c.broken.Load():
	case err == nil:
		c.mu.Lock()
		c.acked = max(c.acked, n)
		c.mu.Unlock()
		c.poke()
	case errors.As(err, &bad):
		c.refuse(n, bad)
	default:
		// Nothing that comes after it may be acked: an ack says all up to n.
		if !c.broken.Swap(true) {
			go c.goodbye(context.Background(), websocket.StatusTryAgainLater, "heartbeats are not taken now")
		}
	}
	c.pending.Add(-1)
	select {
	case c.room <- struct{}{}:
	default:
	}
}

func (c *conn) refuse(n uint64, err error) {
	m := api.Message{Type: api.TypeError, N: n, Error: err.Error()}
	var bad *robot.InvalidError
	if errors.As(err, &bad) {
		m.Field, m.Error = bad.Field, bad.Why
	}
	c.say(m)
}

func (c *conn) say(m api.Message) { c.control(encode(m)) }

func (c *conn) control(body []byte) {
	c.mu.Lock()
	c.controls = append(c.controls, body)
	c.mu.Unlock()
	c.poke()
}

// state tells of a robot; of several states that wait, the newest is told.
func (c *conn) state(id string, body []byte) {
	c.mu.Lock()
	if i, waits := c.at[id]; waits {
		c.states[i].body = body
	} else {
		if c.at == nil {
			c.at = map[string]int{}
		}
		c.at[id] = len(c.states)
		c.states = append(c.states, state{id, body})
	}
	c.mu.Unlock()
	c.poke()
}

func (c *conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next is what is to be written now.
func (c *conn) next() (out [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, c.controls = c.controls, nil
	if c.acked > c.ackSaid {
		c.ackSaid = c.acked
		out = append(out, encode(api.Message{Type: api.TypeAck, N: c.acked}))
	}
	for _, s := range c.states {
		out = append(out, s.body)
	}
	c.states = c.states[:0]
	clear(c.at)
	c.writing = len(out) > 0
	return out
}

// write writes what there is until ctx ends or it cannot; one that hangs ends with
// its connection.
func (c *conn) write(ctx context.Context) {
	defer close(c.written)
	for {
		out := c.next()
		for _, body := range out {
			c.taking.Store(time.Now().UnixNano())
			err := c.ws.Write(context.Background(), websocket.MessageText, body)
			c.taking.Store(0)
			if err != nil {
				_ = c.ws.CloseNow() // the reader ends too
				return
			}
		}
		if len(out) > 0 {
			continue // there may be more, and if not next is told that all is written
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return
		}
	}
}

// end says why and closes, whatever waits.
func (c *conn) end(code websocket.StatusCode, why string) { _ = c.ws.Close(code, why) }

// goodbyeTime bounds what is done for a connection that the server ends.
const goodbyeTime = 6 * time.Second

// goodbye waits until what was taken is answered and written, and closes.
func (c *conn) goodbye(ctx context.Context, code websocket.StatusCode, why string) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTime)
	defer cancel()
	c.draining.Store(true)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !c.settled() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-c.written:
			return
		case <-ctx.Done():
		}
	}
	closed := make(chan struct{})
	go func() { defer close(closed); c.end(code, why) }()
	select {
	case <-closed:
	case <-ctx.Done():
		_ = c.ws.CloseNow() // it does not answer the goodbye
	}
}

func (c *conn) settled() bool {
	if c.pending.Load() > 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.controls) == 0 && c.acked == c.ackSaid && !c.writing
}
