package fleet

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Counts is one kind of thing over the whole load. Latency is from the moment it
// was due to its answer, of whatever became of it.
type Counts struct {
	Sent     int `json:"sent"`
	Acked    int `json:"acked"`
	Missing  int `json:"missing,omitempty"`
	Rejected int `json:"rejected"`
	Errors   int `json:"errors"` // 5xx or no answer, to the end
	// Repeats is how often something had to be sent again.
	Repeats int     `json:"repeats"`
	Rate    float64 `json:"rate"` // answers a second, from the first due to the last
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Max     float64 `json:"max_ms"`
}

// Fanout is what the watchers saw. Latency is from when a heartbeat was due to
// the arrival of its change.
type Fanout struct {
	Watchers  int     `json:"watchers"` // that were asked for
	Connected int     `json:"connected"`
	Drops     int     `json:"drops"` // connections that ended before the load did
	Changes   int     `json:"changes"`
	Measured  int     `json:"measured"` // changes by heartbeats of this load
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	P999      float64 `json:"p999_ms"`
	Max       float64 `json:"max_ms"`
}

// Stats is a load as it ran.
type Stats struct {
	Seconds float64           `json:"seconds"`
	Kinds   map[string]Counts `json:"kinds"` // "heartbeat http", "poll http", …
	Fanout  Fanout            `json:"fanout"`
	// Requests is everything over HTTP together.
	Requests Counts `json:"requests"`
}

// Lines are the load for a reader.
func (s Stats) Lines() string {
	var b strings.Builder
	row := func(name string, c Counts) {
		fmt.Fprintf(&b, "fleet: %-20s %8d sent %8.0f/s %8d acked %5d missing %4d rejected %4d errors %5d repeats  p50 %.1f ms  p99 %.1f ms  max %.1f ms\n",
			name, c.Sent, c.Rate, c.Acked, c.Missing, c.Rejected, c.Errors, c.Repeats, c.P50, c.P99, c.Max)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Kinds)) {
		row(name, s.Kinds[name])
	}
	row("all over http", s.Requests)
	f := s.Fanout
	fmt.Fprintf(&b, "fleet: watchers %d of %d, %d drops, %d changes  p50 %.1f ms  p99 %.1f ms  max %.1f ms\n", f.Connected, f.Watchers, f.Drops, f.Changes, f.P50, f.P99, f.Max)
	return b.String()
}

const maxLatency = int64(2 * time.Minute / time.Microsecond)

// span counts one kind.
type span struct {
	counts      Counts
	hist        *hdrhistogram.Histogram
	first, last int64 // due, done
}

func newSpan() *span {
	return &span{hist: hdrhistogram.New(1, maxLatency, 3), first: math.MaxInt64}
}

func (s *span) add(r Sent) {
	c := &s.counts
	c.Sent++
	c.Repeats += max(r.Tries-1, 0)
	switch r.Outcome {
	case Acked:
		c.Acked++
	case Missing:
		c.Missing++
	case Rejected:
		c.Rejected++
	case Unavailable, Failed:
		c.Errors++
	}
	s.first, s.last = min(s.first, r.Due), max(s.last, r.DoneAt)
	record(s.hist, r.DoneAt-r.Due)
}

func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns/int64(time.Microsecond), 1), maxLatency)) // it is in range
}

func (s *span) read() Counts {
	c := s.counts
	if took := time.Duration(s.last - s.first).Seconds(); c.Sent > 0 && took > 0 {
		c.Rate = float64(c.Acked+c.Missing+c.Rejected) / took
	}
	c.P50, c.P99, c.P999, c.Max = quantiles(s.hist)
	return c
}

func quantiles(h *hdrhistogram.Histogram) (p50, p99, p999, most float64) {
	ms := func(us int64) float64 { return math.Round(float64(us)/10) / 100 }
	return ms(h.ValueAtQuantile(50)), ms(h.ValueAtQuantile(99)), ms(h.ValueAtQuantile(99.9)), ms(h.Max())
}

type stats struct {
	start time.Time

	mu       sync.Mutex
	kinds    map[string]*span
	requests *span
	fanout   Fanout
	watchers []*watcher
}

func newStats(start time.Time, watchers int) *stats {
	return &stats{start: start, kinds: map[string]*span{}, requests: newSpan(), fanout: Fanout{Watchers: watchers}}
}

func (s *stats) add(r Sent) {
	name := string(r.Kind) + " " + string(r.Via)
	s.mu.Lock()
	defer s.mu.Unlock()
	kind, ok := s.kinds[name]
	if !ok {
		kind = newSpan()
		s.kinds[name] = kind
	}
	kind.add(r)
	if r.Via == HTTP {
		s.requests.add(r)
	}
}

// watched counts something that happened to the watchers.
func (s *stats) watched(count func(f *Fanout)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.fanout)
}

// watcher is where one watcher counts.
func (s *stats) watcher() *watcher {
	w := &watcher{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	return w
}

// watcher counts for itself: ten thousand would wait for one lock just when all
// of them are told of the same, and be what is measured.
type watcher struct {
	mu      sync.Mutex
	changes int
	took    []int64 // nanoseconds, of the changes by heartbeats of this load
}

// changed counts one change that arrived, and if it is known how long it took.
func (w *watcher) changed(took time.Duration, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes++
	if known {
		w.took = append(w.took, int64(took))
	}
}

// sum adds up what the watchers have counted.
func sum(watchers []*watcher, f *Fanout) {
	spread := hdrhistogram.New(1, maxLatency, 3)
	for _, w := range watchers {
		w.mu.Lock()
		f.Changes += w.changes
		f.Measured += len(w.took)
		for _, ns := range w.took {
			record(spread, ns)
		}
		w.mu.Unlock()
	}
	f.P50, f.P99, f.P999, f.Max = quantiles(spread)
}

func (s *stats) read(now time.Time) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{Seconds: now.Sub(s.start).Seconds(), Kinds: map[string]Counts{}, Fanout: s.fanout, Requests: s.requests.read()}
	for name, kind := range s.kinds {
		out.Kinds[name] = kind.read()
	}
	sum(s.watchers, &out.Fanout)
	return out
}
