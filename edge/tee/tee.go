// Package tee is the workload behind a shadow: an HTTP server that answers
// every copy of a request at once, and replays it later to another system from
// a bounded queue. So a system that is slow, dead or wrong never holds a
// client; what does not fit into the queue is dropped, and counted.
//
// It carries copies only, and outlives the run that turned the shadow on.
package tee

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are how a Tee works. Zero values stand for the defaults.
type Options struct {
	To      string        // http://host:port of the system that is shadowed to
	Live    string        // of the one whose clients are shadowed; "" where nothing is compared with it
	Queue   int           // how many copies wait at most; 1000
	Workers int           // how many are replayed at a time; 8
	Body    int64         // how large a body may be; 1 MiB
	Timeout time.Duration // of one replay; 5 s
	Unsafe  bool          // also replay methods that change something
}

// Counts are what became of the copies. Each that came in is in exactly one of
// the others, or waits.
type Counts struct {
	In       int64 `json:"in"`
	Replayed int64 `json:"replayed"` // answered, with whatever status
	Failed   int64 `json:"failed"`   // not answered in time, or with what is no HTTP
	Full     int64 `json:"full"`     // dropped: the queue was full
	Large    int64 `json:"large"`    // dropped: the body was too large, or broken
	Refused  int64 `json:"refused"`  // dropped: its method changes something
	Left     int64 `json:"left"`     // dropped: the tee was stopped
	Waiting  int64 `json:"waiting"`
	Errors5x int64 `json:"errors_5xx"` // of those that were replayed
}

// Dropped are all that were never sent.
func (c Counts) Dropped() int64 { return c.Full + c.Large + c.Refused + c.Left }

// A Tee is an [http.Handler] for copies. Run replays them.
type Tee struct {
	o      Options
	to     *url.URL
	live   *url.URL // nil: nothing is compared
	queue  chan *http.Request
	client *http.Client

	comparing atomic.Pointer[comparing] // nil: nothing is compared now

	in, replayed, failed, full, large, refused, left, errors5x atomic.Int64
}

// New makes one that replays nothing before Run.
func New(o Options) (*Tee, error) {
	to, err := systemOf(o.To)
	if err != nil {
		return nil, fmt.Errorf("tee: %q is nothing to replay to: write http://host:port", o.To)
	}
	var live *url.URL
	if o.Live != "" {
		if live, err = systemOf(o.Live); err != nil {
			return nil, fmt.Errorf("tee: %q is nothing to compare with: write http://host:port", o.Live)
		}
	}
	if o.Queue <= 0 {
		o.Queue = 1000
	}
	if o.Workers <= 0 {
		o.Workers = 8
	}
	if o.Body <= 0 {
		o.Body = 1 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.Proxy = o.Workers, nil
	return &Tee{o: o, to: to, live: live, queue: make(chan *http.Request, o.Queue), client: &http.Client{
		Transport: transport, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func systemOf(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("that is no system that speaks HTTP")
	}
	return u, nil
}

// hopByHop are of a connection and not of a request.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Marker tells a system that a request is a copy.
const Marker = "X-Segue-Shadow"

// ServeHTTP takes a copy, and answers at once.
func (t *Tee) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.in.Add(1)
	w.WriteHeader(http.StatusNoContent)
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if !safe && !t.o.Unsafe {
		t.refused.Add(1)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, t.o.Body+1))
	if err != nil || int64(len(body)) > t.o.Body {
		t.large.Add(1)
		return
	}
	copied, err := http.NewRequest(r.Method, t.to.Scheme+"://"+t.to.Host+r.URL.RequestURI(), bytes.NewReader(body)) //nolint:gosec // the host is the operator's, of the request it has only the path
	if err != nil {
		t.large.Add(1)
		return
	}
	copied.Header, copied.Host = r.Header.Clone(), r.Host
	for _, h := range hopByHop {
		copied.Header.Del(h)
	}
	copied.Header.Set(Marker, "1")
	select {
	case t.queue <- copied:
	default:
		t.full.Add(1)
	}
}

// Run replays until ctx ends. What then waits is dropped, and counted.
func (t *Tee) Run(ctx context.Context) {
	var all sync.WaitGroup
	for range t.o.Workers {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-t.queue:
					t.replay(ctx, r)
				}
			}
		})
	}
	all.Wait()
	for {
		select {
		case <-t.queue:
			t.left.Add(1)
		default:
			return
		}
	}
}

func (t *Tee) replay(ctx context.Context, r *http.Request) {
	if c := t.comparing.Load(); c != nil && c.takes(r) {
		defer c.end()
		t.compare(ctx, c, r)
		return
	}
	resp, err := t.client.Do(r.WithContext(ctx)) //nolint:gosec // where it goes is what the tee is told
	if err != nil {
		t.failed.Add(1)
		return
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 16<<20))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.failed.Add(1)
		return
	}
	t.replayed.Add(1)
	if resp.StatusCode >= http.StatusInternalServerError {
		t.errors5x.Add(1)
	}
}

// Counts are what became of the copies so far.
func (t *Tee) Counts() Counts {
	return Counts{
		In: t.in.Load(), Replayed: t.replayed.Load(), Failed: t.failed.Load(), Full: t.full.Load(), Large: t.large.Load(),
		Refused: t.refused.Load(), Left: t.left.Load(), Waiting: int64(len(t.queue)), Errors5x: t.errors5x.Load(),
	}
}

// Metrics is a page of the counts for Prometheus.
func (t *Tee) Metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	c := t.Counts()
	fmt.Fprintf(w, "# HELP segue_tee_copies_total Copies of requests, by what became of them.\n# TYPE segue_tee_copies_total counter\n")
	for _, m := range []struct {
		result string
		n      int64
	}{{"replayed", c.Replayed}, {"failed", c.Failed}, {"dropped_full", c.Full}, {"dropped_large", c.Large}, {"dropped_unsafe", c.Refused}, {"dropped_stopped", c.Left}} {
		fmt.Fprintf(w, "segue_tee_copies_total{result=%q} %d\n", m.result, m.n)
	}
	fmt.Fprintf(w, "# TYPE segue_tee_copies_in_total counter\nsegue_tee_copies_in_total %d\n", c.In)
	fmt.Fprintf(w, "# TYPE segue_tee_errors_5xx_total counter\nsegue_tee_errors_5xx_total %d\n", c.Errors5x)
	t.comparedMetrics(w)
	fmt.Fprintf(w, "# TYPE segue_tee_waiting gauge\nsegue_tee_waiting %d\n", c.Waiting)
}
