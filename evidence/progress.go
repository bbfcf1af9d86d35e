package evidence

import (
	"math"
	"time"
)

// Progress is how far the evidence for a claim is.
type Progress struct {
	Counts Counts  `json:"counts"`
	Share  float64 `json:"share"` // seen; Versus: the difference
	Lower  float64 `json:"lower"`
	Upper  float64 `json:"upper"`
	// Rate is samples a second, since the evidence began.
	Rate float64 `json:"rate"`
	// Needs is how many samples there must be in all if the share stays as it
	// is; 0 when it then never passes.
	Needs float64 `json:"needs,omitempty"`
	// In is how long these take at the present rate; 0 without a rate, or when
	// it passes already.
	In time.Duration `json:"in,omitempty"`
}

// Samples is how many there are of the new.
func (p Progress) Samples() float64 { return p.Counts.Total }

// Progress of a claim after counts that took a time.
func (c Claim) Progress(n Counts, took time.Duration) Progress {
	j := c.Judge(n)
	p := Progress{Counts: n, Lower: j.Lower, Upper: j.Upper}
	if n.Total > 0 {
		p.Share = n.Bad / n.Total
	}
	if c.Versus && n.OldTotal > 0 {
		p.Share -= n.OldBad / n.OldTotal
	}
	if took > 0 {
		p.Rate = n.Total / took.Seconds()
	}
	p.Needs = c.needs(n)
	if p.Needs > n.Total && p.Rate > 0 {
		p.In = time.Duration(math.Min((p.Needs-n.Total)/p.Rate, float64(math.MaxInt64/time.Second)/2) * float64(time.Second))
	}
	return p
}

// needs is how many samples it takes to pass if the shares stay as seen.
func (c Claim) needs(n Counts) float64 {
	if n.Total <= 0 || c.Versus && n.OldTotal <= 0 {
		// A clean stream, as nothing is known yet.
		n = Counts{Total: 1}
		if c.Versus {
			n.OldTotal = 1
		}
	}
	passes := func(f float64) bool { return c.Verdict(n.times(f)) == Pass }
	const most = 1e12
	high := 1.0
	for ; !passes(high); high *= 2 {
		if high*n.Total > most {
			return 0
		}
	}
	low := high / 2
	if high == 1 {
		low = 1 / n.Total
	}
	for high-low > 1e-3*high && (high-low)*n.Total > 0.5 {
		if mid := (low + high) / 2; passes(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return math.Ceil(high * n.Total)
}
