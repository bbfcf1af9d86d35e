package evidence

import "time"

// A Tally is what a check has counted, for gates and guards that judge over a
// span of their own. Repeated and left-out readings change nothing of what it
// says in the end, as its counts only grow.
type Tally struct {
	Claim Claim `json:"claim"`
	// Begun is when the check first looked, with the process that asks; Restarts
	// is how often the watched thing has begun anew since. Counts are from the
	// later of both on, which is From.
	Begun    time.Time `json:"begun"`
	Restarts int       `json:"restarts,omitempty"`
	From     time.Time `json:"from,omitzero"`
	Counts   Counts    `json:"counts"`
	// Recent is the verdict on recent evidence: fail when a change is detected.
	Recent Verdict `json:"recent"`
}

// Recently is the verdict that a guard goes by: on recent evidence where the
// reading has any, so that clean days do not dilute a bad minute.
func (r Reading) Recently() Verdict {
	if r.Tally != nil {
		return r.Tally.Recent
	}
	return r.Verdict
}

// Progress is how far the evidence is that the check has counted, at a time; nil
// where it counts nothing.
func (r Reading) Progress() *Progress {
	if r.Tally == nil {
		return nil
	}
	p := r.Tally.Claim.After(r.Tally.Restarts).Progress(r.Tally.Counts, r.At.Sub(r.Tally.From))
	return &p
}

// A Soak is the evidence over a span: what a check has counted since it began.
// The zero value has seen nothing.
type Soak struct {
	Counts Counts    `json:"counts"`
	From   time.Time `json:"from,omitzero"` // when it began
	// Restarts is how often it has begun anew.
	Restarts int `json:"restarts,omitempty"`
	// Last is the tally that was added last; only what has come to it since is
	// new.
	Last Tally `json:"last,omitzero"`
}

// Next is the evidence after a tally, and whether it begins anew: what was
// counted of a thing that has restarted since says nothing of what runs now.
func (s Soak) Next(t Tally, at time.Time) (next Soak, anew bool) {
	switch {
	case s.From.IsZero(): // the span begins here
		return Soak{From: at, Last: t}, false
	case !t.Begun.Equal(s.Last.Begun): // Segue has restarted; what came between, nobody saw
		if t.Restarts > 0 {
			return Soak{From: at, Last: t, Counts: t.Counts, Restarts: s.Restarts + 1}, true
		}
		s.Counts = s.Counts.Plus(t.Counts)
	case t.Restarts > s.Last.Restarts:
		return Soak{From: at, Last: t, Counts: t.Counts, Restarts: s.Restarts + 1}, true
	case t.Restarts < s.Last.Restarts || !t.Counts.Less(s.Last.Counts).grown(): // an old reading
		return s, false
	default:
		s.Counts = s.Counts.Plus(t.Counts.Less(s.Last.Counts))
	}
	s.Last = t
	return s, false
}
