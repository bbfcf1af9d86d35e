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
	// Soak is the evidence since the gate opened, where the check counts. A
	// failure does not clear it: who may try again until luck passes, passes.
	Soak *Soak `json:"soak,omitempty"`
	// Quiet is the time that has held, but in which nothing came; Seen is what
	// had been counted before it. It is added to what is held when something
	// comes: traffic that has died holds nothing.
	Quiet time.Duration `json:"quiet,omitempty"`
	Seen  Counts        `json:"seen,omitzero"`
	// Instance is which one of the watched thing has held.
	Instance string `json:"instance,omitempty"`
}

// Next is the clock after a reading. Fail resets it; unknown freezes it, and
// resets it when it lasts longer than maxGap. So does a restart of the watched
// thing. A reading that counts is judged over what was counted since the clock
// first went, not by its own verdict, and its time goes with what comes.
func (h Hold) Next(r Reading, every, maxGap time.Duration) Hold {
	verdict := r.Verdict
	if r.Tally != nil {
		h, verdict = h.soaked(r)
	}
	if r.Instance != "" && r.Instance != h.Instance {
		h = Hold{Soak: h.Soak, Instance: r.Instance}
	}
	switch verdict {
	case Pass:
		if !h.UnknownSince.IsZero() && r.At.Sub(h.UnknownSince) > maxGap {
			h = Hold{Soak: h.Soak, Instance: h.Instance}
		}
		if !h.Last.IsZero() {
			h.Quiet += min(max(r.At.Sub(h.Last), 0), 2*every)
		}
		if r.Tally == nil {
			h.Held, h.Quiet = h.Held+h.Quiet, 0
		} else if n := h.Soak.Counts; few(n.Less(h.Seen), r.Tally.Claim.Versus) > 0 {
			h.Held, h.Quiet, h.Seen = h.Held+h.Quiet, 0, n
		}
		h.Last, h.UnknownSince = r.At, time.Time{}
		h.Passes++
	case Fail:
		h = Hold{Soak: h.Soak, Instance: h.Instance}
	default:
		if h.UnknownSince.IsZero() {
			h.UnknownSince = r.At
		}
		h.Last, h.Quiet = time.Time{}, 0
		if r.At.Sub(h.UnknownSince) > maxGap {
			h.Held, h.Passes = 0, 0
		}
	}
	return h
}

// soaked adds what a reading counted to the evidence of the gate, and judges it.
func (h Hold) soaked(r Reading) (Hold, Verdict) {
	var was Soak
	if h.Soak != nil {
		was = *h.Soak
	}
	soak, anew := was.Next(*r.Tally, r.At)
	if anew {
		h = Hold{}
	}
	h.Soak = &soak
	if r.Tally.Recent != Pass { // a change is detected, or nothing came
		return h, r.Tally.Recent
	}
	return h, r.Tally.Claim.After(soak.Restarts).Verdict(soak.Counts)
}

// Judged is a reading as the gate takes it: where it counts, with the verdict
// and the figures of the gate's own soak.
func (h Hold) Judged(r Reading) Reading {
	if r.Tally == nil || h.Soak == nil {
		return r
	}
	own := r.Tally.Claim.After(h.Soak.Restarts).Reading(h.Soak.Counts)
	own.At, own.Source, own.Query, own.Tally = r.At, r.Source, r.Query, r.Tally
	if r.Tally.Recent != Pass {
		own.Verdict, own.Detail = r.Tally.Recent, r.Detail
	}
	if own.Bound = r.Bound; own.Bound == "" { // the check knows more of what it asks
		own.Bound = r.Tally.Claim.String()
	}
	return own
}

// Progress is how far the evidence of the gate is; nil where its check counts
// nothing, or has not answered yet. While it does not answer, or nothing comes,
// nobody knows how long the rest takes.
func (h Hold) Progress(r Reading) *Progress {
	if h.Soak == nil {
		return nil
	}
	p := h.Soak.Last.Claim.After(h.Soak.Restarts).Progress(h.Soak.Counts, r.At.Sub(h.Soak.From))
	if r.Tally == nil || r.Tally.Recent == Unknown {
		p.In = 0
	}
	return &p
}

// Freeze stops the clock without losing what it has: a pause, or a restart.
func (h Hold) Freeze() Hold {
	h.Last, h.UnknownSince, h.Quiet = time.Time{}, time.Time{}, 0
	return h
}
