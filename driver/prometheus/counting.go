package prometheus

import (
	"context"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

// countingParams are those of a check on raw counters.
type countingParams interface {
	Validate() error
	source(s *Server) (counters, error)
}

// countingCheck is a kind of check on raw counters, wherever these are.
func countingCheck[P countingParams, C driver.Check](about driver.About, build func(counters, P) (C, error)) driver.Part {
	about.On = kind
	return driver.Checks(about, func(_ context.Context, s *Server, p P) (driver.Check, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		source, err := p.source(s)
		if err != nil {
			return nil, err
		}
		return build(source, p)
	})
}

// counting is what such a check does from look to look, whatever it makes of
// the counts.
type counting struct {
	source counters
	maxAge time.Duration
	now    func() time.Time

	mu   sync.Mutex
	last time.Time // when it was answered last
}

func newCounting(source counters, p counterParams) counting {
	return counting{source: source, maxAge: p.MaxAge, now: time.Now}
}

// A span is what a look asks for: the samples of a time, up to now.
type span struct {
	now    time.Time
	back   time.Duration
	maxAge time.Duration // what is older is no answer
	anew   bool          // nobody has looked for so long that counting begins again
}

// farthest is how far back a look goes for what came since the last. Beyond it
// are a phase that did not ask and its weeks: an answer of all their samples
// would be too large to be had, and without them nobody knows what was counted.
const farthest = 25 * time.Hour

// reading takes a look and judges it. take counts; it says why there is no
// answer, "" when there is one. As long as there is none the next look reaches
// back further: what came meanwhile is not lost.
func (c *counting) reading(take func(span) string, judge func(now time.Time) evidence.Reading) evidence.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := span{now: c.now(), back: c.maxAge, maxAge: c.maxAge}
	if !c.last.IsZero() {
		s.back += s.now.Sub(c.last)
	}
	if s.back > farthest {
		s.back, s.anew = c.maxAge, true
	}
	var out evidence.Reading
	if what := take(s); what != "" {
		out = evidence.Unsure(what)
	} else {
		c.last = s.now
		out = judge(s.now)
	}
	out.Source = c.source.String()
	return out
}
