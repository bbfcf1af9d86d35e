package edge

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

type shareParams struct {
	Edge       driver.Via[driver.Edge] `param:"edge,required" doc:"The connection to the edge whose sides are counted."`
	New        runbook.Percent         `param:"new,required" doc:"The share of the requests that the new side should have served."`
	NewSide    string                  `param:"new-side" doc:"The new side: the upstream of NGINX, or the backend of HAProxy." default:"new"`
	OldSide    string                  `param:"old-side" doc:"The old side." default:"legacy"`
	Within     *runbook.Percent        `param:"within" doc:"How many points the share may be off. At 0% and 100% nothing may." default:"5%"`
	Confidence *runbook.Percent        `param:"confidence" doc:"How sure it must be: the exact binomial bounds of the share are those of this confidence." default:"99.9%"`
	Over       time.Duration           `param:"over" doc:"Only what was served within this time counts." default:"1m"`
	Look       time.Duration           `param:"look" doc:"How long one answer may wait for requests, when too few were counted yet." default:"2s"`
	MinSamples int                     `param:"min-samples" doc:"How many requests it takes at least to pass." default:"100"`
}

// Validate implements what types cannot say.
func (p shareParams) Validate() error {
	if _, err := ShareOf("new", p.New); err != nil {
		return err
	}
	for _, f := range []struct {
		field string
		wrong bool
		right string
	}{
		{"within", p.Within != nil && !(*p.Within > 0 && *p.Within <= 50), "write more than 0% and at most 50%, such as 1%"},
		{"confidence", p.Confidence != nil && !(*p.Confidence >= 50 && *p.Confidence < 100), "write at least 50% and less than 100%, such as 99.9%"},
		{"over", p.Over < 0, "write 1m"},
		{"look", p.Look < 0, "write 2s"},
		{"min-samples", p.MinSamples < 0, "write 100"},
		{"new-side", p.NewSide != "" && p.NewSide == p.OldSide, "name two sides"},
	} {
		if f.wrong {
			return &runbook.FieldError{Field: f.field, Problem: "that cannot be judged by", Remedy: f.right}
		}
	}
	return nil
}

// served judges what each side really served. It counts from its first look.
type served struct {
	p          shareParams
	want       Share
	within     float64
	confidence float64

	mu    sync.Mutex
	looks []look // those that still count, the oldest first
}

// A look is what the counters said at a time.
type look struct {
	at    time.Time
	since string
	fresh float64 // of the new side
	all   float64
}

func shareCheck() driver.Part {
	return driver.Checks(driver.About{
		Name: "edge.share",
		Doc:  "Each side of an edge really served its share of the requests, within the binomial bounds of what was counted. Unknown while too few requests were counted to say so.",
	}, func(_ context.Context, _ driver.Conn, p shareParams) (driver.Check, error) { return newServed(p) })
}

func newServed(p shareParams) (*served, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("edge.share: %w", err)
	}
	want, err := ShareOf("new", p.New)
	if err != nil {
		return nil, fmt.Errorf("edge.share: %w", err)
	}
	if p.NewSide == "" {
		p.NewSide = "new"
	}
	if p.OldSide == "" {
		p.OldSide = "legacy"
	}
	s := &served{p: p, want: want, within: 0.05, confidence: 0.999}
	if p.Within != nil {
		s.within = float64(*p.Within) / 100
	}
	if p.Confidence != nil {
		s.confidence = float64(*p.Confidence) / 100
	}
	if s.p.Over == 0 {
		s.p.Over = time.Minute
	}
	if s.p.Look == 0 {
		s.p.Look = 2 * time.Second
	}
	if s.p.MinSamples == 0 {
		s.p.MinSamples = 100
	}
	return s, nil
}

// Read counts, and waits a little for requests while it cannot tell.
func (s *served) Read(ctx context.Context) evidence.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := s.p.Edge.Open(ctx)
	if err != nil {
		return evidence.Unsure(err.Error())
	}
	until := time.Now().Add(s.p.Look)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := s.look(ctx, conn)
		if err != nil {
			r = evidence.Unsure(err.Error())
			r.Source = fmt.Sprint(conn)
			return r
		}
		if r.Verdict != evidence.Unknown || !time.Now().Before(until) {
			if r.Verdict == evidence.Fail { // what was served before it was put right counts no more
				s.looks = s.looks[len(s.looks)-1:]
			}
			return r
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r
		}
	}
}

func (s *served) look(ctx context.Context, conn driver.Edge) (evidence.Reading, error) {
	counts, err := conn.Served(ctx, []string{s.p.NewSide, s.p.OldSide})
	if err != nil {
		return evidence.Reading{}, err
	}
	fresh := counts.Sides[s.p.NewSide]
	now := look{time.Now(), counts.Since, fresh, fresh + counts.Sides[s.p.OldSide]}
	if n := len(s.looks); n > 0 && s.looks[n-1].since != now.since {
		s.looks = nil // it began to count anew
	}
	for len(s.looks) > 0 && now.at.Sub(s.looks[0].at) > s.p.Over {
		s.looks = s.looks[1:]
	}
	s.looks = append(s.looks, now)
	r := s.judge(now.fresh-s.looks[0].fresh, now.all-s.looks[0].all)
	r.Source, r.Query = fmt.Sprint(conn), counts.Query
	if now.all == s.looks[0].all && counts.Hint != "" {
		r.Detail += "; " + counts.Hint
	}
	return r, nil
}

// judge passes when the share is proven to be as far off as it may be at most,
// fails when it is proven to be further off, and does not know between.
func (s *served) judge(k, n float64) evidence.Reading {
	want := s.want.Fraction()
	r := evidence.Reading{Samples: int64(n), Bound: s.bound()}
	if n <= 0 {
		r.Detail = fmt.Sprintf("neither %s nor %s served a request while it was counted", s.p.NewSide, s.p.OldSide)
		return r
	}
	lower, upper := evidence.Interval(k, n, s.confidence)
	r.Value = fmt.Sprintf("%s by %s: %.0f of %.0f requests", evidence.Percent(k/n), s.p.NewSide, k, n)
	span := fmt.Sprintf("the share is between %s and %s", evidence.Percent(lower), evidence.Percent(upper))
	switch {
	case s.want == 0 && k > 0, s.want == Whole && k < n:
		r.Verdict, r.Detail = evidence.Fail, fmt.Sprintf("at %s there is no exception, and %s served %.0f", s.want, s.stray(), math.Min(k, n-k))
	case lower > want+s.within, upper < want-s.within:
		r.Verdict, r.Detail = evidence.Fail, span
	case n < float64(s.p.MinSamples):
		r.Detail = fmt.Sprintf("%.0f requests of the %d that are needed", n, s.p.MinSamples)
	case s.want == 0, s.want == Whole, lower >= want-s.within && upper <= want+s.within:
		r.Verdict = evidence.Pass
	default:
		r.Detail = span + ", which is not near enough to tell"
	}
	return r
}

// stray is the side that should serve nothing.
func (s *served) stray() string {
	if s.want == 0 {
		return s.p.NewSide
	}
	return s.p.OldSide
}

func (s *served) bound() string {
	if s.want == 0 || s.want == Whole {
		return s.want.String() + " exactly"
	}
	return fmt.Sprintf("%s ± %s at %s", s.want, Share(math.Round(s.within*float64(Whole))), evidence.Percent(s.confidence))
}
