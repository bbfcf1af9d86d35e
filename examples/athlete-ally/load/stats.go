package load

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Counts of one span of time. Latency is from the moment a message was due to
// its answer; a core publish has none.
type Counts struct {
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"rate"` // messages sent a second
	Sent      int     `json:"sent"`
	Accepted  int     `json:"accepted"`
	Unacked   int     `json:"unacked"`  // core publishes
	Rejected  int     `json:"rejected"` // 4xx
	Errors    int     `json:"errors"`   // 5xx and no answer
	HTTP5xx   int     `json:"http_5xx"`
	ErrorRate float64 `json:"error_rate"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

// Stats is the load as it runs: everything so far and the last whole second.
type Stats struct {
	Total   Counts    `json:"total"`
	Last    Counts    `json:"last"`
	Backlog int       `json:"backlog"` // due and not yet sent
	Target  float64   `json:"target_rate"`
	At      time.Time `json:"at"`
}

// Line is a second's line of progress.
func (s Stats) Line() string {
	return fmt.Sprintf("load: %5.0f msg/s  sent %7d  accepted %7d  errors %d  5xx %d  p50 %.1f ms  p99 %.1f ms  backlog %d",
		s.Last.Rate, s.Total.Sent, s.Total.Accepted, s.Total.Errors, s.Total.HTTP5xx, s.Last.P50, s.Last.P99, s.Backlog)
}

type span struct {
	counts Counts
	hist   *hdrhistogram.Histogram
	since  time.Time
}

const maxLatency = int64(time.Minute / time.Microsecond)

func newSpan(now time.Time) span {
	return span{hist: hdrhistogram.New(1, maxLatency, 3), since: now}
}

func (s *span) add(r Record) {
	c := &s.counts
	c.Sent++
	switch r.Outcome {
	case Acked, Duplicate:
		c.Accepted++
	case Sent:
		c.Unacked++
		return
	case Rejected:
		c.Rejected++
	case Unavailable:
		c.Errors++
		c.HTTP5xx++
	case Failed:
		c.Errors++
	}
	_ = s.hist.RecordValue(min(max((r.DoneAt-r.Due)/int64(time.Microsecond), 1), maxLatency)) // it is in range
}

func (s *span) read(now time.Time) Counts {
	c := s.counts
	c.Seconds = now.Sub(s.since).Seconds()
	if c.Seconds > 0 {
		c.Rate = float64(c.Sent) / c.Seconds
	}
	if c.Sent > 0 {
		c.ErrorRate = float64(c.Errors) / float64(c.Sent)
	}
	ms := func(us int64) float64 { return math.Round(float64(us)/10) / 100 }
	c.P50, c.P99, c.Max = ms(s.hist.ValueAtQuantile(50)), ms(s.hist.ValueAtQuantile(99)), ms(s.hist.Max())
	return c
}

type stats struct {
	mu            sync.Mutex
	target        float64
	total, second span
	last          Counts
	backlog       func() int
}

func newStats(target float64, now time.Time, backlog func() int) *stats {
	return &stats{target: target, total: newSpan(now), second: newSpan(now), backlog: backlog}
}

func (s *stats) add(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.add(r)
	s.second.add(r)
}

// turn ends the running second.
func (s *stats) turn(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.second.read(now)
	s.second.hist.Reset()
	s.second.counts, s.second.since = Counts{}, now
}

func (s *stats) read(now time.Time) Stats {
	backlog := s.backlog()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Total: s.total.read(now), Last: s.last, Backlog: backlog, Target: s.target, At: now.UTC()}
}
