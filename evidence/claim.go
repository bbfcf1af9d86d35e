package evidence

import (
	"fmt"
	"math"
)

// A Claim is what a check says of a share, and how sure it must be: that the
// true share of bad is below a threshold, or that it is below the share of an
// old thing plus a margin. It is tested anew at every look; the chance that any
// of them is wrong, ever, is at most 1 - Confidence on either side.
type Claim struct {
	// Below is the threshold, between 0 and 1; or, Versus an old thing, the
	// margin, from 0 on.
	Below      float64 `json:"below"`
	Versus     bool    `json:"versus,omitempty"`
	Confidence float64 `json:"confidence"`
	// Min is how many samples it takes at least to pass, of each thing.
	// A failure may come before: it never rests on luck.
	Min int64 `json:"min,omitempty"`
}

// After is the claim about a thing that has restarted so often since the
// evidence was begun. Each time what is known begins anew, and with it the
// chance to pass by luck: the allowance, which is for all of it, goes to nine
// tenths to the first time and is shared by the others as 1/n², whose sum is
// π²/6. So who restarts again and again does not pass in the end.
func (c Claim) After(restarts int) Claim {
	part := 0.9
	if restarts > 0 {
		part = 0.1 * 6 / (math.Pi * math.Pi * float64(restarts) * float64(restarts))
	}
	c.Confidence = 1 - (1-c.Confidence)*part
	return c
}

// Counts are what happened; Old what happened to the thing compared with.
type Counts struct {
	Bad      float64 `json:"bad"`
	Total    float64 `json:"total"`
	OldBad   float64 `json:"old_bad,omitempty"`
	OldTotal float64 `json:"old_total,omitempty"`
}

// Plus adds counts.
func (n Counts) Plus(m Counts) Counts {
	return Counts{n.Bad + m.Bad, n.Total + m.Total, n.OldBad + m.OldBad, n.OldTotal + m.OldTotal}
}

// Less subtracts counts.
func (n Counts) Less(m Counts) Counts {
	return n.Plus(Counts{-m.Bad, -m.Total, -m.OldBad, -m.OldTotal})
}

func (n Counts) times(f float64) Counts {
	return Counts{n.Bad * f, n.Total * f, n.OldBad * f, n.OldTotal * f}
}

// grown reports whether counts are what can have come to others.
func (n Counts) grown() bool {
	return n.Bad >= 0 && n.Total >= 0 && n.OldBad >= 0 && n.OldTotal >= 0
}

// Sound reports whether the bad are a part of the total.
func (n Counts) Sound() bool {
	part := func(bad, total float64) bool { return bad >= 0 && bad <= total && !math.IsInf(total, 0) }
	return part(n.Bad, n.Total) && part(n.OldBad, n.OldTotal)
}

// A Judgement is what counts say of a claim.
type Judgement struct {
	Verdict Verdict
	// Lower and Upper bound the true share (Versus: the difference of shares).
	Lower, Upper float64
	Why          string // when it is not a pass
}

// Judge passes when the upper bound is under the threshold, fails when the
// lower bound is over it, and does not know between.
func (c Claim) Judge(n Counts) Judgement {
	j := Judgement{Lower: 0, Upper: 1}
	if c.Versus {
		j.Lower = -1
	}
	if !n.Sound() {
		j.Why = fmt.Sprintf("%g bad of %g in total: bad is not a part of total", n.Bad, n.Total)
		if part := (Counts{Bad: n.Bad, Total: n.Total}); part.Sound() {
			j.Why = fmt.Sprintf("%g bad of %g in total of the old: bad is not a part of total", n.OldBad, n.OldTotal)
		}
		return j
	}
	if c.Versus {
		j.Lower, j.Upper = differenceBounds(1-c.Confidence, n)
	} else {
		j.Lower, j.Upper = shareBounds(1-c.Confidence, n.Bad, n.Total)
	}
	switch j.Verdict = c.Verdict(n); {
	case j.Verdict == Pass:
	case j.Verdict == Fail:
		j.Why = "it is at least " + Percent(j.Lower)
	case few(n, c.Versus) < float64(c.least()):
		j.Why = fmt.Sprintf("%g samples of the %d that are needed", few(n, c.Versus), c.least())
	default:
		j.Why = fmt.Sprintf("it may still be up to %s", Percent(j.Upper))
	}
	return j
}

// Verdict is that of [Claim.Judge], without the bounds.
func (c Claim) Verdict(n Counts) Verdict {
	if !n.Sound() {
		return Unknown
	}
	switch side := c.side(n); {
	case side > 0:
		return Fail
	case side < 0 && few(n, c.Versus) >= float64(c.least()):
		return Pass
	}
	return Unknown
}

// least is how many samples it takes at least. Of fewer than twenty of each,
// what is compared leans on what was supposed of it, and a failure could help.
func (c Claim) least() int64 {
	if c.Versus {
		return max(c.Min, 20)
	}
	return c.Min
}

// few is how many samples there are of what has fewer.
func few(n Counts, versus bool) float64 {
	if versus {
		return math.Min(n.Total, n.OldTotal)
	}
	return n.Total
}

// side tells on which side of the threshold the share is proven to be: -1
// below it, 1 above it, 0 not proven.
func (c Claim) side(n Counts) int {
	need := -math.Log(1 - c.Confidence)
	if !c.Versus {
		if n.Total <= 0 {
			return 0
		}
		below, above := lnShare(c.Below, n.Bad, n.Total)
		switch {
		case above >= need:
			return 1
		case below >= need:
			return -1
		}
		return 0
	}
	if n.Total <= 0 || n.OldTotal <= 0 || lnDifference(c.Below, n) < need {
		return 0
	}
	if n.Bad/n.Total > n.OldBad/n.OldTotal+c.Below {
		return 1
	}
	return -1
}

// Reading is what a check makes of counts, for people too.
func (c Claim) Reading(n Counts) Reading {
	j := c.Judge(n)
	r := Reading{Verdict: j.Verdict, Bound: c.String(), Detail: j.Why, Samples: int64(few(n, c.Versus))}
	if n.Total > 0 && n.Sound() {
		r.Value = fmt.Sprintf("%s (%.15g of %.15g)", Percent(n.Bad/n.Total), n.Bad, n.Total)
		if c.Versus && n.OldTotal > 0 {
			r.Value += fmt.Sprintf(" against %s (%.15g of %.15g)", Percent(n.OldBad/n.OldTotal), n.OldBad, n.OldTotal)
		}
		r.Value += fmt.Sprintf(", truly %s to %s", Percent(j.Lower), Percent(j.Upper))
		if c.Versus {
			r.Value += " apart"
		}
	}
	return r
}

// String is the claim for people.
func (c Claim) String() string {
	if c.Versus {
		return fmt.Sprintf("no worse than the old by %.3g points at %s", 100*c.Below, Percent(c.Confidence))
	}
	return fmt.Sprintf("below %s at %s", Percent(c.Below), Percent(c.Confidence))
}

// Percent is a share for people: 0.05 is "5 %".
func Percent(share float64) string { return fmt.Sprintf("%.3g %%", 100*share) }
