package prometheus

import (
	"context"
	"fmt"
	"time"
)

// share is what went wrong of what happened, from raw counters.
type share struct {
	bad, total       selector
	badSeen, allSeen counts
	fresh            freshness
}

func newShare(kind, bad, total string) (share, error) {
	var s share
	var err error
	if s.bad, err = parseSelector(bad); err != nil {
		return s, fmt.Errorf("%s: bad: %w", kind, err)
	}
	if s.total, err = parseSelector(total); err != nil {
		return s, fmt.Errorf("%s: total: %w", kind, err)
	}
	return s, nil
}

// A step is what came to a share between two looks.
type step struct {
	bad, total float64
	first      bool // there was no look before
	restarted  bool // what is counted has begun again
}

// look reads the counters over a span. what says why there is no answer.
func (s *share) look(ctx context.Context, source counters, over span) (out step, what string) {
	both, err := source.raw(ctx, over.back, s.bad, s.total)
	if err != nil {
		return out, err.Error()
	}
	bad, total := both[0], both[1]
	if len(total) == 0 {
		return out, "no data: no series is " + s.total.text
	}
	if len(bad) == 0 {
		there, err := source.exists(ctx, s.bad.name)
		if err != nil {
			return out, err.Error()
		}
		if !there {
			return out, "no data: no series is called " + s.bad.name
		}
	}
	if what := s.fresh.lost(ctx, source, s.total, total, over); what != "" {
		return out, what
	}
	if over.anew {
		s.badSeen, s.allSeen = counts{}, counts{}
	}
	badGrown, allGrown := s.badSeen.add(bad), s.allSeen.add(total)
	return step{bad: badGrown.by, total: allGrown.by, first: allGrown.first, restarted: allGrown.reset}, ""
}

// freshness is when the newest sample was taken that a look has seen.
type freshness struct{ newest time.Time }

// lost says that the samples are no answer any more, "" when they are. When
// none has come since the last look it may be too early for one, or what is
// counted is gone: then the source has no series that is alive now.
func (f *freshness) lost(ctx context.Context, source counters, of selector, all []series, over span) string {
	newest := all[0].last().at
	for _, s := range all {
		if at := s.last().at; at.After(newest) {
			newest = at
		}
	}
	if age := over.now.Sub(newest); age > over.maxAge {
		return fmt.Sprintf("stale: the newest sample is %s old, and at most %s is taken", age.Round(time.Second), over.maxAge)
	}
	if !newest.After(f.newest) {
		alive, err := source.alive(ctx, of)
		if err != nil {
			return err.Error()
		}
		if !alive {
			return "no data any more: no series is " + of.text + " now: its target is down, or it has retired"
		}
	}
	f.newest = newest
	return ""
}
