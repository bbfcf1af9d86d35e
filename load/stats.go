package load

import (
	"maps"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is how the load went. Times are in milliseconds, from the moment a
// request was due.
type Result struct {
	Target   string           `json:"target"`
	RPS      int              `json:"rps"`     // as asked for
	Seconds  float64          `json:"seconds"` // since the first was due
	Due      int64            `json:"due"`     // requests
	Answered int64            `json:"answered"`
	Errors   int64            `json:"errors"` // those not answered among them
	By       map[string]int64 `json:"errors_by,omitempty"`
	P50      float64          `json:"p50_ms"`
	P95      float64          `json:"p95_ms"`
	P99      float64          `json:"p99_ms"`
	Max      float64          `json:"max_ms"`
	// Late is how late this machine itself was, at the 99th percentile.
	Late float64 `json:"late_p99_ms"`
	Open int64   `json:"open_most"` // most requests under way at a time
}

// ErrorRatio is the share of errors; 0 when nothing was due.
func (r Result) ErrorRatio() float64 {
	if r.Due == 0 {
		return 0
	}
	return float64(r.Errors) / float64(r.Due)
}

// tally counts while the load runs.
type tally struct {
	mu       sync.Mutex
	took     *hdrhistogram.Histogram
	late     *hdrhistogram.Histogram
	due      int64
	answered int64
	errors   int64
	by       map[string]int64
	open     int64
	mostOpen int64
}

const longest = 10 * time.Minute

func newTally() *tally {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), 3) }
	return &tally{took: h(), late: h(), by: map[string]int64{}}
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // it is in range
}

// begun counts a request that was due, and how late this machine noticed.
func (t *tally) begun(late time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due++
	record(t.late, late)
	t.open++
	t.mostOpen = max(t.mostOpen, t.open)
}

// ended counts what became of it; why is "" when it was answered well.
func (t *tally) ended(took time.Duration, why string, answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
	record(t.took, took)
	if answered {
		t.answered++
	}
	if why != "" {
		t.errors++
		if len(t.by) < 20 || t.by[why] > 0 {
			t.by[why]++
		} else {
			t.by["other"]++
		}
	}
}

func (t *tally) result() Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms := func(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	r := Result{Due: t.due, Answered: t.answered, Errors: t.errors, By: maps.Clone(t.by), Open: t.mostOpen}
	if t.took.TotalCount() > 0 {
		r.P50, r.P95, r.P99, r.Max = ms(t.took, 50), ms(t.took, 95), ms(t.took, 99), float64(t.took.Max())/1000
	}
	if t.late.TotalCount() > 0 {
		r.Late = ms(t.late, 99)
	}
	return r
}
