package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

// dial connects to a system's /ws.
func (f *fleet) dial(ctx context.Context, base, robot string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*answerTime)
	defer cancel()
	opts := &websocket.DialOptions{}
	if robot != "" {
		opts.HTTPHeader = http.Header{api.HeaderRobotID: {header(robot)}}
	}
	conn, resp, err := websocket.Dial(ctx, base+api.PathWebSocket, opts)
	if err != nil {
		if resp != nil && resp.Body != nil {
			resp.Body.Close()
		}
		return nil, fmt.Errorf("connect to %s%s: %w", base, api.PathWebSocket, err)
	}
	conn.SetReadLimit(api.MaxMessage)
	return conn, nil
}

func write(ctx context.Context, conn *websocket.Conn, m api.Message) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write to the WebSocket: %w", err)
	}
	if err := conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fmt.Errorf("write to the WebSocket: %w", err)
	}
	return nil
}

// socket is a robot that reports over a WebSocket. It does not wait for an ack
// before it says the next thing; what is not acked when a connection ends is
// said again, in order, on the next.
type socket struct {
	fleet *fleet
	robot *Robot
	queue <-chan *heartbeat
	conn  *websocket.Conn

	mu      sync.Mutex
	waiting []numbered // for their acks, in order
	said    uint64     // the highest number on this connection
}

type numbered struct {
	n uint64
	*heartbeat
}

func (s *socket) run(ctx context.Context) {
	err := s.talk(ctx)
	for err != nil && (errors.Is(err, errRenewed) || sleep(ctx, pause)) {
		if s.conn, err = s.fleet.dial(ctx, s.fleet.cfg.URL, s.robot.Key); err == nil {
			err = s.talk(ctx)
		}
	}
	for _, h := range s.waiting {
		s.abandon(h.heartbeat)
	}
	for h := range s.queue {
		s.abandon(h)
	}
}

func (s *socket) abandon(h *heartbeat) {
	h.Outcome, h.Error = Failed, errAbandoned.Error()
	s.fleet.sent(h.Sent)
}

// errRenewed ends a connection that its robot gives up for another; everything
// that was said on it is acked.
var errRenewed = errors.New("the robot opens another WebSocket")

// renewed says when a connection is to be given up; never where Renew is 0.
func (s *socket) renewed() (<-chan time.Time, func()) {
	if s.fleet.cfg.Renew == 0 {
		return nil, func() {}
	}
	t := time.NewTimer(s.fleet.cfg.Renew/2 + rand.N(s.fleet.cfg.Renew)) //nolint:gosec // no secret
	return t.C, func() { t.Stop() }
}

// talk uses one connection, to its end or until everything is said and acked:
// then its error is nil.
func (s *socket) talk(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	settled, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		cancel(s.listen(ctx, settled))
	}()
	defer func() { cancel(nil); <-ended }()
	for _, h := range s.begin() {
		if err := s.say(h); err != nil {
			return err
		}
	}
	queue, renewing := s.queue, false
	renew, stop := s.renewed()
	defer stop()
	for queue != nil || s.left() > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-renew:
			queue, renewing = nil, true
		case <-settled: // look again
		case h, more := <-queue:
			if !more {
				queue = nil
				continue
			}
			if err := s.say(s.number(h)); err != nil {
				return err
			}
		}
	}
	if renewing {
		return errRenewed
	}
	return nil
}

// begin numbers anew what the last connection left.
func (s *socket) begin() []numbered {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = 0
	for i := range s.waiting {
		s.said++
		s.waiting[i].n = s.said
		s.waiting[i].Tries++
	}
	return slices.Clone(s.waiting)
}

func (s *socket) number(h *heartbeat) numbered {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said++
	h.Tries, h.SentAt = 1, time.Now().UnixNano()
	s.waiting = append(s.waiting, numbered{s.said, h})
	return s.waiting[len(s.waiting)-1]
}

// say is ended by the end of the connection, which the ear brings about.
func (s *socket) say(h numbered) error {
	return write(context.Background(), s.conn, api.Message{Type: api.TypeHeartbeat, N: h.n, Heartbeat: &api.Heartbeat{Record: h.record, MessageID: h.messageID(s.robot.Odd)}})
}

// listen takes what the server says until the connection ends.
func (s *socket) listen(ctx context.Context, settled chan<- struct{}) error {
	ear := newEar(ctx, s.conn)
	defer ear.close()
	for {
		raw, err := ear.next()
		if err != nil {
			return err
		}
		var m api.Message
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("read from the WebSocket: %w", err)
		}
		switch m.Type {
		case api.TypeAck:
			s.settle(Acked, "", func(n uint64) bool { return n <= m.N })
		case api.TypeError:
			s.settle(Rejected, m.Error, func(n uint64) bool { return n == m.N })
		case api.TypePing:
			if err := write(ctx, s.conn, api.Message{Type: api.TypePong}); err != nil {
				return err
			}
		}
		if s.left() == 0 {
			select {
			case settled <- struct{}{}:
			default:
			}
		}
	}
}

func (s *socket) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// settle ends the wait of those whose number it is.
func (s *socket) settle(o Outcome, why string, is func(n uint64) bool) {
	s.mu.Lock()
	var done []*heartbeat
	s.waiting = slices.DeleteFunc(s.waiting, func(h numbered) bool {
		if !is(h.n) {
			return false
		}
		h.Outcome, h.Error = o, why
		done = append(done, h.heartbeat)
		return true
	})
	s.mu.Unlock()
	for _, h := range done {
		s.fleet.sent(h.Sent)
	}
}
