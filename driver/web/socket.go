package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/evidence"
)

// A socket is one WebSocket of a look.
type socket struct {
	c    *websocketCheck
	conn *websocket.Conn
	beat chan struct{} // something came
	met  chan struct{} // a message came that is as expected
	gone chan error    // the server has closed it
	stop func()        // ends listening, and with it the connection; nil before

	mu     sync.Mutex
	other  string // the last message that is not as expected
	judged bool   // some message could be judged
}

// dial opens one.
func (c *websocketCheck) dial(ctx context.Context) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, c.p.Timeout)
	defer cancel()
	s := &socket{c: c, beat: make(chan struct{}, 1), met: make(chan struct{}, 1), gone: make(chan error, 1)}
	opts := &websocket.DialOptions{HTTPHeader: http.Header{}, OnPingReceived: func(context.Context, []byte) bool {
		tell(s.beat)
		return true
	}}
	for k, v := range c.p.Headers {
		opts.HTTPHeader.Set(k, v)
		if strings.EqualFold(k, "host") {
			opts.Host = v
		}
	}
	conn, resp, err := websocket.Dial(ctx, c.p.URL, opts) //nolint:bodyclose // Dial closes it
	switch {
	case err == nil:
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("%s answers %d and opens no WebSocket", c.where, resp.StatusCode)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s: no answer within %s", c.where, c.p.Timeout)
	default:
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err // it repeats the URL, with what secret is in it
		}
		return nil, fmt.Errorf("%s: %w", c.where, err)
	}
	conn.SetReadLimit(maxBody)
	s.conn = conn
	return s, nil
}

// tell says that something has happened; once is enough.
func tell(what chan<- struct{}) {
	select {
	case what <- struct{}{}:
	default:
	}
}

// close says goodbye, and waits a little for the server's.
func (s *socket) close() {
	if s.stop == nil {
		_ = s.conn.CloseNow()
		return
	}
	defer time.AfterFunc(goodbye, s.stop).Stop()
	_ = s.conn.Close(websocket.StatusNormalClosure, "")
	s.stop()
}

const goodbye = time.Second

// watch sends what is to be sent, and waits for the answer to a ping, for a
// heartbeat and for the message that is expected.
func (s *socket) watch(ctx context.Context) evidence.Reading {
	p := s.c.p
	listening, stop := context.WithCancel(ctx)
	s.stop = stop
	go s.listen(listening)
	if p.Send != "" {
		if err := s.conn.Write(ctx, websocket.MessageText, []byte(p.Send)); err != nil && ctx.Err() == nil {
			return evidence.Failed("", "", s.lost("it takes no message: "+err.Error()))
		}
	}
	ponged := make(chan error, 1)
	go func() {
		within, cancel := context.WithTimeout(ctx, p.Timeout)
		defer cancel()
		ponged <- s.conn.Ping(within)
	}()
	silent, nothing := after(p.Heartbeat), after(p.Within)
	for pong, beat, message := false, p.Heartbeat == 0, p.Expect == ""; !pong || !beat || !message; {
		select {
		case err := <-ponged:
			switch {
			case err == nil:
				pong = true
			case ctx.Err() != nil: // below
			case errors.Is(err, context.DeadlineExceeded):
				return evidence.Failed("", "", fmt.Sprintf("a ping is not answered within %s", p.Timeout))
			default:
				return evidence.Failed("", "", s.lost("it takes no ping: "+err.Error()))
			}
		case <-s.beat:
			beat = true
		case <-s.met:
			message = true
		case err := <-s.gone:
			if ctx.Err() == nil {
				return evidence.Failed("", "", "the server has closed it: "+err.Error())
			}
		case <-silent:
			if !beat {
				return evidence.Failed("", "", fmt.Sprintf("the server says nothing for %s", p.Heartbeat))
			}
		case <-nothing:
			if !message {
				return s.unmet()
			}
		case <-ctx.Done():
			return evidence.Unsure("the time was over before it was known")
		}
	}
	return evidence.Passed("", "")
}

// after is a moment from now; of 0 it never comes.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// lost is why nothing could be sent: that the server has closed it says more,
// but may be heard a little later.
func (s *socket) lost(why string) string {
	select {
	case err := <-s.gone:
		return "the server has closed it: " + err.Error()
	case <-time.After(goodbye):
		return why
	}
}

// unmet is the reading when no message came that is as expected.
func (s *socket) unmet() evidence.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.judged:
		return evidence.Failed("", "", "no message is as expected; the last: "+s.other)
	case s.other != "":
		return evidence.Unsure("no message could be judged; the last: " + s.other)
	}
	return evidence.Unsure(fmt.Sprintf("no message came within %s", s.c.p.Within))
}

// listen reads until ctx ends or the server closes the socket.
func (s *socket) listen(ctx context.Context) {
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil {
			s.gone <- err
			return
		}
		tell(s.beat)
		if s.c.expect != nil {
			s.judge(text)
		}
	}
}

// judge looks whether a message is as expected.
func (s *socket) judge(text []byte) {
	vars := map[string]any{"text": string(text)}
	if message, err := parse(text); err == nil {
		vars["message"] = message
	}
	verdict, err := s.c.expect.Eval(vars)
	if verdict == evidence.Pass {
		tell(s.met)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other, s.judged = excerpt(text), s.judged || verdict == evidence.Fail
	if err != nil {
		s.other += " (" + err.Error() + ")"
	}
}
