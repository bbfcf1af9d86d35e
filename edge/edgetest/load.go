package edgetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Counts are what a load did, by GET, POST and WS.
type Counts struct {
	Done, Failed map[string]int64
	Errors       []string // the first few
}

// Total adds up.
func Total(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// A Load is clients that ask all the time, each on a connection that it keeps.
type Load struct {
	addr   string
	stop   chan struct{}
	all    sync.WaitGroup
	done   map[string]*atomic.Int64
	failed map[string]*atomic.Int64
	mu     sync.Mutex
	errors []string
}

// StartLoad starts so many clients of each kind, each with a key of its own in
// a header. A client of WebSockets opens one, talks for a while, closes it and
// opens the next, as clients come and go.
func StartLoad(t testing.TB, addr, header string, clients int) *Load {
	l := &Load{addr: addr, stop: make(chan struct{}), done: map[string]*atomic.Int64{}, failed: map[string]*atomic.Int64{}}
	for _, kind := range []string{"GET", "POST", "WS"} {
		l.done[kind], l.failed[kind] = &atomic.Int64{}, &atomic.Int64{}
	}
	for i := range clients {
		for _, kind := range []string{"GET", "POST"} {
			l.all.Go(func() { l.ask(kind, map[string]string{header: fmt.Sprintf("%s-%d", kind, i)}) })
		}
		l.all.Go(func() { l.talk(map[string]string{header: fmt.Sprintf("WS-%d", i)}) })
	}
	t.Cleanup(func() { l.Stop() })
	return l
}

// Stop ends the load and returns what it did.
func (l *Load) Stop() Counts {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.all.Wait()
	out := Counts{map[string]int64{}, map[string]int64{}, l.errors}
	for kind := range l.done {
		out.Done[kind], out.Failed[kind] = l.done[kind].Load(), l.failed[kind].Load()
	}
	return out
}

// Done is how many requests were answered so far.
func (l *Load) Done() (n int64) {
	for _, c := range l.done {
		n += c.Load()
	}
	return n
}

func (l *Load) over() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

func (l *Load) count(kind string, err error) {
	if err == nil {
		l.done[kind].Add(1)
		return
	}
	l.failed[kind].Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errors) < 10 {
		l.errors = append(l.errors, kind+": "+err.Error())
	}
}

// ask pauses a moment after each answer: it is idle connections that a reload
// closes under a client's hands.
func (l *Load) ask(kind string, header map[string]string) {
	c := Client{Addr: l.addr}
	defer c.Close()
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for n := 0; !l.over(); n++ {
		body := ""
		if kind == "POST" {
			body = fmt.Sprintf("message %d", n)
		}
		_, text, err := c.Do(kind, "/work", body, header)
		if err == nil && !strings.HasSuffix(text, kind+" "+body) {
			err = fmt.Errorf("the answer is to another question: %q", text)
		}
		l.count(kind, err)
		select {
		case <-pause.C:
		case <-l.stop:
		}
	}
}

// talk fails for each message that is not answered, also when the socket is
// cut in between.
func (l *Load) talk(header map[string]string) {
	for !l.over() {
		l.count("WS", l.conversation(header))
	}
}

func (l *Load) conversation(header map[string]string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	opts := &websocket.DialOptions{HTTPHeader: map[string][]string{}}
	for k, v := range header {
		opts.HTTPHeader.Set(k, v)
	}
	c, _, err := websocket.Dial(ctx, "ws://"+l.addr+"/ws", opts) //nolint:bodyclose // it has none
	if err != nil {
		return err
	}
	defer c.CloseNow() //nolint:errcheck // it is over either way
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for n := 0; n < 100 && !l.over(); n++ {
		msg := fmt.Sprintf("hello %d", n)
		if err := c.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
			return err
		}
		_, answer, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(string(answer), " "+msg) {
			return fmt.Errorf("the answer is to another message: %q", answer)
		}
		<-pause.C
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// OpenSockets opens n WebSockets and leaves them open until the test ends. The
// function that it returns asks on each who serves it.
func OpenSockets(t testing.TB, addr, header string, n int) (served func(by string)) {
	t.Helper()
	var all []*websocket.Conn
	for i := range n {
		opts := &websocket.DialOptions{HTTPHeader: map[string][]string{}}
		opts.HTTPHeader.Set(header, Plain(i))
		c, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws", opts) //nolint:bodyclose // it has none
		if err != nil {
			t.Fatalf("socket %d: %v", i, err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		all = append(all, c)
	}
	served = func(by string) {
		t.Helper()
		for i, c := range all {
			if err := c.Write(t.Context(), websocket.MessageText, []byte("who")); err != nil {
				t.Fatalf("socket %d: %v", i, err)
			}
			_, answer, err := c.Read(t.Context())
			if err != nil || string(answer) != by+" who" {
				t.Errorf("socket %d: %q, %v; want an answer of %s", i, answer, err, by)
			}
		}
	}
	return served
}
