package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// sockets is a server of WebSockets, well and badly behaved.
func sockets(t testing.TB, behave func(ctx context.Context, c *websocket.Conn)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		behave(r.Context(), c)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// hears reads, and so answers pings, until the socket is closed.
func hears(ctx context.Context, c *websocket.Conn) {
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
	}
}

// topics answers a subscription with its topic's state.
func topics(ctx context.Context, c *websocket.Conn) {
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return
		}
		if string(text) == `{"subscribe":"robots"}` {
			_ = c.Write(ctx, websocket.MessageText, []byte(`hello`))
			_ = c.Write(ctx, websocket.MessageText, []byte(`{"topic":"robots","id":9007199254740993}`))
		}
	}
}

func beats(with func(ctx context.Context, c *websocket.Conn)) func(context.Context, *websocket.Conn) {
	return func(ctx context.Context, c *websocket.Conn) {
		go hears(ctx, c)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				with(ctx, c)
			case <-ctx.Done():
				return
			}
		}
	}
}

func TestWebsocketReadsAServer(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(context.Context, *websocket.Conn)
		p      websocketParams
		want   evidence.Verdict
		detail string
	}{
		"it answers pings":           {hears, websocketParams{}, evidence.Pass, ""},
		"as many as are asked for":   {hears, websocketParams{Connections: 300}, evidence.Pass, ""},
		"it does not answer":         {func(ctx context.Context, _ *websocket.Conn) { <-ctx.Done() }, websocketParams{Timeout: 2 * time.Second}, evidence.Fail, "a ping is not answered within 2s"},
		"it closes":                  {func(_ context.Context, c *websocket.Conn) { c.Close(websocket.StatusPolicyViolation, "full") }, websocketParams{}, evidence.Fail, "full"},
		"a heartbeat of pings":       {beats(func(ctx context.Context, c *websocket.Conn) { go c.Ping(ctx) }), websocketParams{Heartbeat: 5 * time.Second}, evidence.Pass, ""},
		"a heartbeat of messages":    {beats(func(ctx context.Context, c *websocket.Conn) { c.Write(ctx, websocket.MessageText, []byte("beat")) }), websocketParams{Heartbeat: 5 * time.Second}, evidence.Pass, ""},
		"no heartbeat":               {hears, websocketParams{Heartbeat: 50 * time.Millisecond}, evidence.Fail, "the server says nothing for 50ms"},
		"a topic":                    {topics, websocketParams{Send: `{"subscribe":"robots"}`, Expect: `message.topic == "robots" && message.id == 9007199254740993`}, evidence.Pass, ""},
		"a topic of which none came": {topics, websocketParams{Send: `{"subscribe":"other"}`, Expect: "text != ''", Within: 50 * time.Millisecond}, evidence.Unknown, "no message came within 50ms"},
		"another message came":       {topics, websocketParams{Send: `{"subscribe":"robots"}`, Expect: `message.topic == "other"`, Within: 100 * time.Millisecond}, evidence.Fail, `no message is as expected; the last: {"topic":"robots"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.p.URL = sockets(t, c.behave) + "/ws?key=hunter2"
			r := readSockets(t, t.Context(), c.p)
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%s %s: %s, want %s because %q", r.Verdict, r.Value, r.Detail, c.want, c.detail)
			}
			if strings.Contains(r.Detail+r.Source+r.Query+r.Bound, "hunter2") {
				t.Errorf("a key shows: %+v", r)
			}
		})
	}
}

func readSockets(t testing.TB, ctx context.Context, p websocketParams) evidence.Reading {
	t.Helper()
	c, err := newWebsocket(p)
	if err != nil {
		t.Fatal(err)
	}
	return c.Read(ctx)
}

func TestWebsocketFailsWhenNoneCanBeOpened(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	for name, c := range map[string]struct{ url, detail string }{
		"no WebSocket": {plain.URL, "answers 404 and opens no WebSocket"},
		"refused":      {gone.URL, "connection refused"},
		"silent":       {hangs.URL, "no answer within 100ms"},
	} {
		r := readSockets(t, t.Context(), websocketParams{URL: "ws" + strings.TrimPrefix(c.url, "http") + "/?key=hunter2", Timeout: 100 * time.Millisecond})
		if r.Verdict != evidence.Fail || !strings.Contains(r.Detail, c.detail) || strings.Contains(r.Detail, "hunter2") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A server that bears fewer than are asked for is found.
func TestWebsocketCountsThoseOpenAtATime(t *testing.T) {
	var open, most atomic.Int64
	url := sockets(t, func(ctx context.Context, c *websocket.Conn) {
		n := open.Add(1)
		defer open.Add(-1)
		if n > 40 {
			c.Close(websocket.StatusTryAgainLater, "no more than 40")
			return
		}
		for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
		}
		hears(ctx, c)
	})
	if r := readSockets(t, t.Context(), websocketParams{URL: url, Connections: 40}); r.Verdict != evidence.Pass || most.Load() != 40 {
		t.Errorf("%d were open at a time: %+v", most.Load(), r)
	}
	if r := readSockets(t, t.Context(), websocketParams{URL: url, Connections: 60}); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "no more than 40") {
		t.Errorf("%+v", r)
	}
}

func TestWebsocketSaysGoodbye(t *testing.T) {
	closed := make(chan websocket.StatusCode, 1)
	url := sockets(t, func(ctx context.Context, c *websocket.Conn) {
		_, _, err := c.Read(ctx)
		closed <- websocket.CloseStatus(err)
	})
	if r := readSockets(t, t.Context(), websocketParams{URL: url}); r.Verdict != evidence.Pass {
		t.Fatalf("%+v", r)
	}
	if status := <-closed; status != websocket.StatusNormalClosure {
		t.Errorf("it was closed with %v", status)
	}
}

func TestWebsocketDoesNotKnowWithoutTimeEnough(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r := readSockets(t, ctx, websocketParams{URL: sockets(t, hears), Heartbeat: time.Minute}); r.Verdict != evidence.Unknown {
		t.Errorf("%+v", r)
	}
}

func TestWebsocketParameters(t *testing.T) {
	for field, p := range map[string]websocketParams{
		"url":         {URL: "http://a"},
		"connections": {URL: "ws://a", Connections: 20_001},
		"heartbeat":   {URL: "ws://a", Heartbeat: -1},
		"within":      {URL: "ws://a", Within: 1},
	} {
		if wrong, ok := errors.AsType[*runbook.FieldError](p.Validate()); !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, wrong)
		}
	}
	made := drivertest.Make(t, `
segue: v1
name: sockets
checks:
  live: {websocket: {url: "${WS}", connections: 3, headers: {X-Robot-Id: r7}, send: '{"subscribe":"robots"}', expect: 'text == "hello"', within: 5s, connect-within: 5s, heartbeat: 5s}}
phases:
  - {name: one, require: [live]}
`, map[string]string{"WS": sockets(t, topics)}, Parts()...)
	if r := made.Checks["live"].Read(t.Context()); r.Verdict != evidence.Pass {
		t.Errorf("%+v", r)
	}
}
