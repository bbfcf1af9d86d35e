package tee

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// shadowed is a system that takes its time, and remembers what it was asked.
type shadowed struct {
	*httptest.Server
	let  chan struct{} // an answer for each
	seen chan string
}

func newShadowed(t *testing.T) *shadowed {
	s := &shadowed{let: make(chan struct{}), seen: make(chan string, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.seen <- r.Method + " " + r.URL.RequestURI() + " " + r.Host + " " + r.Header.Get(Marker) + " " + string(body)
		<-s.let
	}))
	t.Cleanup(s.Close)
	return s
}

func running(t *testing.T, o Options) (*Tee, string, func()) {
	t.Helper()
	tee, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(tee)
	t.Cleanup(front.Close)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { tee.Run(ctx); close(ended) }()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return tee, front.URL, stop
}

func send(t *testing.T, method, url, body string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "robots.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Errorf("answered with %s", resp.Status)
	}
}

func await(t *testing.T, tee *Tee, what string, is func(Counts) bool) Counts {
	t.Helper()
	late := time.After(20 * time.Second)
	for !is(tee.Counts()) {
		select {
		case <-late:
			t.Fatalf("waited for %s in vain: %+v", what, tee.Counts())
		case <-time.After(time.Millisecond):
		}
	}
	return tee.Counts()
}

func TestCopiesAreAnsweredAtOnceReplayedLaterAndCounted(t *testing.T) {
	s := newShadowed(t)
	tee, front, stop := running(t, Options{To: s.URL, Queue: 2, Workers: 1, Body: 10, Unsafe: true})
	send(t, "POST", front+"/a?b=c", "hello")
	if got := <-s.seen; got != "POST /a?b=c robots.example 1 hello" {
		t.Errorf("replayed as %q", got)
	}
	for range 5 { // one is held by the system, two wait, and three do not fit
		send(t, "GET", front+"/x", "")
	}
	send(t, "POST", front+"/x", "more than ten bytes")
	c := await(t, tee, "drops", func(c Counts) bool { return c.Full == 3 && c.Large == 1 })
	if c.Waiting != 2 || c.In != 7 {
		t.Errorf("%+v", c)
	}
	s.let <- struct{}{}
	await(t, tee, "a replay", func(c Counts) bool { return c.Replayed == 1 })
	<-s.seen
	go func() { // the next is held when the tee ends
		for range s.seen {
			s.let <- struct{}{}
		}
	}()
	stop()
	close(s.let)
	c = tee.Counts()
	if c.Replayed+c.Failed+c.Dropped() != c.In || c.Waiting != 0 {
		t.Errorf("what came in is not what became of it: %+v", c)
	}
}

func TestUnsafeMethodsAreRefusedUnlessTold(t *testing.T) {
	s := newShadowed(t)
	close(s.let)
	tee, front, _ := running(t, Options{To: s.URL})
	send(t, "DELETE", front+"/robots/1", "")
	send(t, "GET", front+"/robots", "")
	c := await(t, tee, "both", func(c Counts) bool { return c.Replayed == 1 && c.Refused == 1 })
	if got := <-s.seen; !strings.HasPrefix(got, "GET ") || c.Failed != 0 {
		t.Errorf("%q, %+v", got, c)
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, to := range []string{"", "127.0.0.1:80", "ftp://h", "http://h/path"} {
		if _, err := New(Options{To: to}); err == nil || !strings.Contains(err.Error(), "http://host:port") {
			t.Errorf("%q: %v", to, err)
		}
	}
}
