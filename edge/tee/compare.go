package tee

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segue-run/segue/compare"
	"github.com/segue-run/segue/compare/diff"
)

// A Comparison is what of the copies is compared with the live system, and how.
// The zero value compares nothing.
type Comparison struct {
	Sample    float64    `json:"sample"`              // the share, up to 1
	Endpoints []string   `json:"endpoints,omitempty"` // /robots/{id}: how paths with ids are counted
	Rules     diff.Rules `json:"rules"`
}

// Compared is how it stands.
type Compared struct {
	Comparison
	Live    string         `json:"live,omitempty"`  // whom it is compared with; "" when the tee was told of nobody
	Since   time.Time      `json:"since,omitzero"`  // when it began
	Last    time.Time      `json:"last,omitzero"`   // when a copy was compared last
	Skipped int64          `json:"skipped"`         // in the sample, and not compared: one was under way
	Report  compare.Report `json:"report,omitzero"` // what it has shown
}

// comparing is a comparison while it goes on. One copy is compared at a time,
// so that the live system is never asked for more.
type comparing struct {
	is       Comparison
	comparer *diff.Comparer
	stats    compare.Stats
	since    time.Time
	busy     chan struct{}
	skipped  atomic.Int64
	last     atomic.Int64 // UnixNano
}

// takes reports whether a copy is compared; end must follow.
func (c *comparing) takes(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || rand.Float64() >= c.is.Sample { //nolint:gosec // a sample is no secret
		return false
	}
	select {
	case c.busy <- struct{}{}:
		return true
	default:
		c.skipped.Add(1)
		return false
	}
}

func (c *comparing) end() { <-c.busy }

// compare asks the live system what the copy asks, before and after the
// replay: what the client got is not known here, and the live system has moved
// on since.
func (t *Tee) compare(ctx context.Context, c *comparing, r *http.Request) {
	first := true
	err := c.stats.Settle(c.comparer, func() (compare.Pair, error) {
		p := compare.Pair{Endpoint: c.endpoint(r), Request: r.Method + " " + r.URL.Path}
		p.Legacy, p.LegacyTook = t.ask(ctx, t.live, r)
		p.New, p.NewTook = t.ask(ctx, t.to, r)
		if first {
			t.count(p.New)
			first = false
		}
		again, _ := t.ask(ctx, t.live, r)
		p.Again = &again
		return p, ctx.Err()
	})
	if err == nil {
		c.last.Store(time.Now().UnixNano())
	}
}

// count counts a replay by its answer.
func (t *Tee) count(a diff.Answer) {
	if a.Failed != "" {
		t.failed.Add(1)
		return
	}
	t.replayed.Add(1)
	if a.Status >= http.StatusInternalServerError {
		t.errors5x.Add(1)
	}
}

func (t *Tee) ask(ctx context.Context, system *url.URL, r *http.Request) (diff.Answer, time.Duration) {
	r = r.Clone(ctx)
	r.URL.Scheme, r.URL.Host = system.Scheme, system.Host
	r.Header.Del("Accept-Encoding") // so that what comes compressed is read as what it is
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			r.Body = body
		}
	}
	began := time.Now()
	a, err := compare.Ask(t.client, r)
	if err != nil {
		a = diff.Answer{Failed: "no answer"} // why is in the system's own log; texts with ports would never be alike
	}
	return a, time.Since(began)
}

// endpoint is what a copy is counted as: the first endpoint that its path fits,
// else the path without what looks like an id.
func (c *comparing) endpoint(r *http.Request) string {
	for _, e := range c.is.Endpoints {
		if fits(strings.Split(e, "/"), strings.Split(r.URL.Path, "/")) {
			return r.Method + " " + e
		}
	}
	parts := strings.Split(r.URL.Path, "/")
	for i, part := range parts {
		if strings.ContainsAny(part, "0123456789") && !version(part) {
			parts[i] = "{id}"
		}
	}
	return r.Method + " " + strings.Join(parts, "/")
}

// version reports whether a part of a path is one as in /api/v2.
func version(part string) bool {
	return len(part) > 1 && part[0] == 'v' && strings.Trim(part[1:], "0123456789") == ""
}

func fits(pattern, path []string) bool {
	if len(pattern) != len(path) {
		return false
	}
	for i, p := range pattern {
		if p != path[i] && !(strings.HasPrefix(p, "{") && strings.HasSuffix(p, "}")) {
			return false
		}
	}
	return true
}

// Compare begins a comparison, and with it the counts; the zero value ends it.
func (t *Tee) Compare(is Comparison) error {
	if is.Sample == 0 {
		t.comparing.Store(nil)
		return nil
	}
	if t.live == nil {
		return fmt.Errorf("nobody is named to compare with: start segue tee with --live http://host:port")
	}
	if is.Sample < 0 || is.Sample > 1 {
		return fmt.Errorf("a sample of %g is none: it is between 0 and 1", is.Sample)
	}
	comparer, err := is.Rules.Compile()
	if err != nil {
		return err
	}
	t.comparing.Store(&comparing{is: is, comparer: comparer, since: time.Now(), busy: make(chan struct{}, 1)})
	return nil
}

// Compared is how the comparison stands.
func (t *Tee) Compared() Compared {
	var out Compared
	if t.live != nil {
		out.Live = t.o.Live
	}
	c := t.comparing.Load()
	if c == nil {
		return out
	}
	out.Comparison, out.Since, out.Skipped, out.Report = c.is, c.since, c.skipped.Load(), c.stats.Report()
	out.Report.Legacy, out.Report.New, out.Report.Began, out.Report.Ended = t.o.Live, t.o.To, c.since, time.Now()
	if last := c.last.Load(); last > 0 {
		out.Last = time.Unix(0, last)
	}
	return out
}

// ServeComparison tells how the comparison stands (GET), begins one (PUT, a
// Comparison as JSON) or ends it (DELETE). Only this machine may change it.
func (t *Tee) ServeComparison(w http.ResponseWriter, r *http.Request) {
	var is Comparison
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.Compared())
		return
	case http.MethodDelete:
	case http.MethodPut:
		dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&is); err != nil {
			http.Error(w, "that is no comparison: "+err.Error(), http.StatusBadRequest)
			return
		}
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		http.Error(w, "GET, PUT or DELETE", http.StatusMethodNotAllowed)
		return
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		http.Error(w, "only this machine may change what is compared", http.StatusForbidden)
		return
	}
	if err := t.Compare(is); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tee) comparedMetrics(w io.Writer) {
	c := t.Compared()
	var alike, noisy, differing int64
	for _, e := range c.Report.Endpoints {
		alike, noisy, differing = alike+e.Alike, noisy+e.Noisy, differing+e.Differing
	}
	fmt.Fprintf(w, "# HELP segue_tee_compared_total Copies that were compared with the live system, since the comparison began.\n# TYPE segue_tee_compared_total counter\n")
	for _, m := range []struct {
		result string
		n      int64
	}{{"alike", alike}, {"noisy", noisy}, {"differing", differing}, {"unanswered", c.Report.Unanswered}, {"skipped", c.Skipped}} {
		fmt.Fprintf(w, "segue_tee_compared_total{result=%q} %d\n", m.result, m.n)
	}
}
