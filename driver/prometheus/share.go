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

// look reads the counters at now, all samples since a time ago. what says why
// there is no answer.
func (s *share) look(ctx context.Context, source counters, now time.Time, since, maxAge time.Duration) (out step, what string) {
	both, err := source.raw(ctx, since, s.bad, s.total)
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
	if what := tooOld(total, now, maxAge); what != "" {
		return out, what
	}
	badGrown, allGrown := s.badSeen.add(bad), s.allSeen.add(total)
	return step{bad: badGrown.by, total: allGrown.by, first: allGrown.first, restarted: allGrown.reset}, ""
}

// tooOld says that even the newest sample is too old, "" when it is not.
func tooOld(all []series, now time.Time, maxAge time.Duration) string {
	newest := all[0].last().at
	for _, s := range all {
		if at := s.last().at; at.After(newest) {
			newest = at
		}
	}
	if age := now.Sub(newest); age > maxAge {
		return fmt.Sprintf("stale: the newest sample is %s old, and at most %s is taken", age.Round(time.Second), maxAge)
	}
	return ""
}
