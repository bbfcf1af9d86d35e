package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/runbook"
)

type websocketParams struct {
	URL         string            `param:"url,required" doc:"Where WebSockets are opened: ws://host:port/path, or wss://."`
	Connections int               `param:"connections" doc:"How many are opened, and must be open at the same time." default:"1"`
	Headers     map[string]string `param:"headers" doc:"Headers to send."`
	Heartbeat   time.Duration     `param:"heartbeat" doc:"The server must say something to each within this time: a ping, or a message."`
	Send        string            `param:"send" doc:"A message to send on each, such as one that subscribes to a topic."`
	Expect      string            `param:"expect,expression" vars:"message|text" doc:"What must be true of some message that comes: of message (parsed JSON) or text. Unknown when no message comes."`
	Within      time.Duration     `param:"within" doc:"How long a message that is expected may take." default:"5s"`
	Timeout     time.Duration     `param:"connect-within" doc:"How long it may take to open one, and to answer a ping." default:"5s"`
}

const (
	mostSockets = 20_000
	dialAtOnce  = 100
)

// Validate implements what types cannot say.
func (p websocketParams) Validate() error {
	u, err := url.Parse(p.URL)
	known := !strings.Contains(p.URL, "${") // else only when it is opened
	for _, f := range []struct {
		field          string
		wrong          bool
		problem, right string
	}{
		{"url", known && (err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss"), "that is no URL of a WebSocket", "write ws://host:port/path"},
		{"connections", p.Connections < 0 || p.Connections > mostSockets, "that many are not opened", fmt.Sprintf("write at most %d", mostSockets)},
		{"heartbeat", p.Heartbeat < 0, "that is no time", "write 5s"},
		{"within", p.Within < 0, "that is no time", "write 5s"},
		{"within", p.Within > 0 && p.Expect == "", "nothing is expected", "give expect too"},
		{"connect-within", p.Timeout < 0, "that is no time", "write 5s"},
	} {
		if f.wrong {
			return &runbook.FieldError{Field: f.field, Problem: f.problem, Remedy: f.right}
		}
	}
	return nil
}

func (p websocketParams) withUsual() websocketParams {
	if p.Connections == 0 {
		p.Connections = 1
	}
	if p.Within == 0 {
		p.Within = 5 * time.Second
	}
	if p.Timeout == 0 {
		p.Timeout = 5 * time.Second
	}
	return p
}

// Takes is how long one look takes at most.
func (p websocketParams) Takes() time.Duration {
	p = p.withUsual()
	rounds := (p.Connections + dialAtOnce - 1) / dialAtOnce
	return time.Duration(rounds)*p.Timeout + max(p.wait(), p.Timeout) + time.Second
}

// wait is how long is waited for what the server says.
func (p websocketParams) wait() time.Duration {
	if p.Expect == "" {
		return p.Heartbeat
	}
	return max(p.Within, p.Heartbeat)
}

// websocketCheck is a health check of what speaks WebSocket.
type websocketCheck struct {
	p      websocketParams
	where  string
	expect *expr.Expr
}

func websocketPart() driver.Part {
	return driver.Checks(driver.About{
		Name: "websocket", Health: true,
		Doc: "WebSockets can be opened, as many as are asked for, answer pings, and say what is expected. Fails when one cannot be opened; unknown when nothing came that could be judged.",
	}, func(_ context.Context, _ driver.Conn, p websocketParams) (driver.Check, error) {
		return newWebsocket(p)
	})
}

func newWebsocket(p websocketParams) (*websocketCheck, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, errors.New("websocket: the url is none") // err repeats it, with what secret is in it
	}
	c := &websocketCheck{p: p.withUsual(), where: u.Scheme + "://" + u.Host + u.Path}
	if p.Expect != "" {
		if c.expect, err = expr.Compile(p.Expect, []string{"message", "text"}); err != nil {
			return nil, fmt.Errorf("websocket: expect: %w", err)
		}
	}
	return c, nil
}

// Read opens all, and then looks at each while all are open.
func (c *websocketCheck) Read(ctx context.Context) evidence.Reading {
	began := time.Now()
	sockets, err := c.open(ctx)
	defer func() {
		var all sync.WaitGroup
		for _, s := range sockets {
			all.Go(s.close)
		}
		all.Wait()
	}()
	var r evidence.Reading
	if err != nil {
		r = evidence.Failed(fmt.Sprintf("%d of %d opened", len(sockets), c.p.Connections), "", err.Error())
		if ctx.Err() != nil {
			r.Verdict, r.Detail = evidence.Unknown, fmt.Sprintf("the time was over when %d of %d were open", len(sockets), c.p.Connections)
		}
	} else {
		r = c.look(ctx, sockets, time.Since(began))
	}
	r.Source, r.Query, r.Bound, r.Samples = c.where, "open "+c.where, c.bound(), int64(len(sockets))
	return r
}

func (c *websocketCheck) bound() string {
	parts := []string{fmt.Sprintf("%d open at a time", c.p.Connections)}
	if c.p.Heartbeat > 0 {
		parts = append(parts, "a heartbeat within "+c.p.Heartbeat.String())
	}
	if c.p.Expect != "" {
		parts = append(parts, c.p.Expect)
	}
	return strings.Join(parts, ", ")
}

// open opens all; it ends with the first that cannot be.
func (c *websocketCheck) open(ctx context.Context) ([]*socket, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var sockets []*socket
	var all sync.WaitGroup
	turns := make(chan struct{}, dialAtOnce)
	for range c.p.Connections {
		turns <- struct{}{}
		if context.Cause(ctx) != nil {
			break
		}
		all.Go(func() {
			defer func() { <-turns }()
			s, err := c.dial(ctx)
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			sockets = append(sockets, s)
		})
	}
	all.Wait()
	return sockets, context.Cause(ctx)
}

// look asks each socket, and judges by the worst.
func (c *websocketCheck) look(ctx context.Context, sockets []*socket, took time.Duration) evidence.Reading {
	answers := make([]evidence.Reading, len(sockets))
	var all sync.WaitGroup
	for i, s := range sockets {
		all.Go(func() { answers[i] = s.watch(ctx) })
	}
	all.Wait()
	n := map[evidence.Verdict]int{}
	worst := evidence.Passed("", "")
	for _, r := range answers {
		n[r.Verdict]++
		if r.Verdict == evidence.Fail && worst.Verdict != evidence.Fail || r.Verdict == evidence.Unknown && worst.Verdict == evidence.Pass {
			worst = r
		}
	}
	worst.Value = fmt.Sprintf("%d open, in %s", len(sockets)-n[evidence.Fail], took.Round(100*time.Microsecond))
	if worst.Verdict != evidence.Pass && len(sockets) > 1 {
		worst.Detail = fmt.Sprintf("%d of %d: %s", n[worst.Verdict], len(sockets), worst.Detail)
	}
	return worst
}
