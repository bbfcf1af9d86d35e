package prometheus

import (
	"math"
	"time"
)

// counts turns raw counters, series by series, into increments that do not
// overlap. It is the arithmetic under a ratio; what is made of the increments
// is up to who asks.
type counts struct {
	seen map[string]sample // per series, the last sample taken; nil before the first look
}

// growth is by how much counters grew between two looks.
type growth struct {
	by    float64
	first bool // there was no look before
	reset bool // a counter has begun again
}

// add takes a look's samples and returns by how much the counters grew since
// the look before. The first look only tells where they stand. A counter that
// falls has begun again from zero, and so has a series that was not there at
// the look before: an error's first occurrence makes its series.
func (c *counts) add(all []series) growth {
	g := growth{first: c.seen == nil}
	if g.first {
		c.seen = map[string]sample{}
	}
	for _, s := range all {
		key := name(s)
		last, known := c.seen[key]
		for _, now := range s.samples {
			if known && !now.at.After(last.at) {
				continue
			}
			if math.IsNaN(now.value) || math.IsInf(now.value, 0) { // no count
				continue
			}
			if g.first || known && math.IsNaN(last.value) {
				last, known = now, true
				continue
			}
			if known && now.value >= last.value {
				g.by += now.value - last.value
			} else {
				g.by += now.value
				g.reset = g.reset || known
			}
			last, known = now, true
		}
		if !known {
			if !g.first { // it is there and has counted nothing yet
				continue
			}
			last.value = math.NaN() // nobody knows where it stood
		}
		c.seen[key] = last
	}
	return g
}

// A look is what grew until a moment.
type look struct {
	at         time.Time
	bad, total float64
}

// looks sums increments, over all time or a sliding window of whole looks.
type looks struct {
	window time.Duration // 0: all
	kept   []look
	sum    look
}

func (l *looks) add(one look) {
	l.sum.bad += one.bad
	l.sum.total += one.total
	if one.total > 0 || l.sum.at.IsZero() { // when traffic was last seen
		l.sum.at = one.at
	}
	if l.window == 0 {
		return
	}
	l.kept = append(l.kept, one)
	for len(l.kept) > 0 && one.at.Sub(l.kept[0].at) > l.window {
		l.sum.bad -= l.kept[0].bad
		l.sum.total -= l.kept[0].total
		l.kept = l.kept[1:]
	}
}
