package evidence

import "time"

// Hold is the clock of one check behind a gate: how long the check has held
// without a break. The time is the sum of the gaps between consecutive passes,
// each counted up to twice the check's period, so that a process that was away
// does not count its absence. The zero value has held for nothing.
type Hold struct {
	Held time.Duration `json:"held"`
	// Last is the last pass, if the reading before this one passed.
	Last time.Time `json:"last,omitzero"`
	// UnknownSince is the first of a row of unknown readings.
	UnknownSince time.Time `json:"unknown_since,omitzero"`
	Passes       int       `json:"passes,omitempty"`
}

// Next is the clock after a reading. Fail resets it; unknown freezes it, and
// resets it when it lasts longer than maxGap.
func (h Hold) Next(r Reading, every, maxGap time.Duration) Hold {
	switch r.Verdict {
	case Pass:
		if !h.UnknownSince.IsZero() && r.At.Sub(h.UnknownSince) > maxGap {
			h = Hold{}
		}
		if !h.Last.IsZero() {
			h.Held += min(max(r.At.Sub(h.Last), 0), 2*every)
		}
		h.Last, h.UnknownSince = r.At, time.Time{}
		h.Passes++
	case Fail:
		h = Hold{}
	default:
		if h.UnknownSince.IsZero() {
			h.UnknownSince = r.At
		}
		h.Last = time.Time{}
		if r.At.Sub(h.UnknownSince) > maxGap {
			h.Held, h.Passes = 0, 0
		}
	}
	return h
}

// Freeze stops the clock without losing what it has: a pause, or a restart.
func (h Hold) Freeze() Hold {
	h.Last, h.UnknownSince = time.Time{}, time.Time{}
	return h
}
