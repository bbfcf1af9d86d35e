package evidence

import (
	"math"
	"time"
)

// A Detector notices, on recent evidence, that a share has risen above a
// threshold, however long it was below before. The zero value has seen nothing.
//
// It is a CUSUM e-detector (Shin, Ramdas and Rinaldo 2024, "E-detectors: a
// nonparametric framework for sequential change detection"): for each of some
// shares above the threshold the likelihood ratio against the threshold, begun
// anew wherever the evidence speaks against a change (Page 1954); of these the
// mean. While the true share is not above the threshold, in whichever way it
// changes below it, the mean number of looks until the detector reaches a level
// is at least that level.
type Detector struct {
	Runs []Run `json:"runs,omitempty"` // one a supposed share
	// Raised tells that it has alarmed and has not come down since.
	Raised bool `json:"raised,omitempty"`
}

// A Run is what a detector has counted since the evidence last spoke against a
// change.
type Run struct {
	Counts
	// Old is the share of the old thing as it was known when the run began.
	Old float64 `json:"old,omitempty"`
}

// odds of the supposed shares, as multiples of the threshold's.
var odds = []float64{1.5, 2, 3, 5, 10, 30, 100}

// LookEvery is the shortest time between two looks of a detector: what comes in
// shorter, the caller adds up.
const LookEvery = time.Second

// FalseAlarmIn is how much watching there is to a false alarm, at least and on
// average, unless the runbook says otherwise.
const FalseAlarmIn = 90 * 24 * time.Hour

// Level is the logarithm of the level at which a false alarm comes at most once
// in a time of watching, on average.
func Level(falseAlarmIn time.Duration) float64 {
	return math.Log(math.Max(float64(falseAlarmIn/LookEvery), 20))
}

// Next is the detector after a look: what happened since the look before, and
// all that happened in the past until then. Level is that of an alarm; it comes
// down again when the evidence is the other way.
func (d Detector) Next(c Claim, look, past Counts, level float64) Detector {
	if look.Total <= 0 || !look.Sound() {
		return d
	}
	next := Detector{Raised: d.Raised, Runs: make([]Run, len(odds))}
	var sum float64
	for i, o := range odds {
		run := Run{Old: (past.OldBad + 0.5) / (past.OldTotal + 1)}
		if i < len(d.Runs) && d.Runs[i].Total > 0 {
			run = d.Runs[i]
		}
		run, risen := c.longer(run, look, o, level)
		next.Runs[i] = run
		sum += math.Exp(risen)
	}
	switch now := math.Log(sum / float64(len(odds))); {
	case now >= level:
		next.Raised = true
	case now <= 0:
		next.Raised = false
	}
	return next
}

// longer is a run with another look, and its evidence for a change. One that
// speaks against a change ends; one that is far above the level stays as it is,
// or it would take as long to come down as it went up.
func (c Claim) longer(run Run, look Counts, multiple, level float64) (Run, float64) {
	const above = 3
	more := run
	more.Counts = run.Plus(look)
	risen := c.lnRisen(multiple, more)
	switch {
	case risen <= 0:
		return Run{}, 0
	case risen > level+above && run.Total > 0:
		if was := c.lnRisen(multiple, run); level < was && was < risen {
			return run, math.Min(was, level+above)
		}
	}
	return more, math.Min(risen, level+above)
}

// lnRisen is the logarithm of the likelihood of a run if the share were higher,
// by a multiple of its odds, than the claim allows, over that if it were just
// as allowed.
func (c Claim) lnRisen(multiple float64, r Run) float64 {
	if !c.Versus {
		return lnLikelihood(raise(c.Below, multiple), r.Bad, r.Total) - lnLikelihood(c.Below, r.Bad, r.Total)
	}
	// The supposed shares were known before the run, so that all of it is news to
	// them; against them stands the pair that keeps the margin and suits the run
	// best, so that trouble of both is no alarm.
	q := raise(math.Min(r.Old+c.Below, 0.99), multiple)
	if q <= c.Below {
		return 0
	}
	supposed := lnLikelihood(r.Old, r.OldBad, r.OldTotal)
	before := func(p float64) float64 { return -lnLikelihood(p, r.OldBad, r.OldTotal) }
	both := func(p float64) float64 { return before(p) - lnLikelihood(p+c.Below, r.Bad, r.Total) }
	// Where the new share as allowed is not under the supposed one, it explains
	// what is new as well.
	under := lnLikelihood(q, r.Bad, r.Total) + minimum(0, q-c.Below, both)
	return supposed + math.Min(under, minimum(q-c.Below, 1-c.Below, before))
}

// raise multiplies the odds of a share.
func raise(share, multiple float64) float64 {
	o := multiple * share / (1 - share)
	return o / (1 + o)
}
