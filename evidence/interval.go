package evidence

import "math"

// Interval is where a share lies of which k of n were seen, at a confidence
// between 0 and 1: the exact bounds of Clopper and Pearson (Biometrika 26,
// 1934), each of which has half of what is left to error. It holds for one look;
// who looks again and again needs a [Claim].
func Interval(k, n, confidence float64) (lower, upper float64) {
	half := math.Log((1 - confidence) / 2)
	upper = 1
	if n <= 0 {
		return lower, upper
	}
	if k > 0 { // P(X ≥ k) = I_p(k, n-k+1)
		lower = turns(func(p float64) bool { below, _ := lnTails(k, n-k+1, p); return below < half })
	}
	if k < n { // P(X ≤ k) = 1 - I_p(k+1, n-k)
		upper = turns(func(p float64) bool { _, above := lnTails(k+1, n-k, p); return above > half })
	}
	return lower, upper
}

// turns finds where below turns from true to false, between 0 and 1.
func turns(below func(float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; below(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}
