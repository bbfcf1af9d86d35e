package evidence

import "math"

// lnDifference is the evidence, as the logarithm of a test martingale, against
// "the new share is the old one plus margin", the old one being whatever it
// likes. On which side the truth lies, the seen shares say.
//
// It is the likelihood of what was seen, averaged over pairs of shares, against
// that at the likeliest of all pairs that keep the margin. At the true pair this
// is a martingale that starts at 1, and at the likeliest it is never more, so
// Ville's inequality holds for it as in [lnShare] (Wasserman, Ramdas and
// Balakrishnan 2020, "Universal inference"; Ramdas, Grünwald, Vovk and Shafer
// 2023, "Game-theoretic statistics and safe anytime-valid inference", section
// 5). Half of the average is over pairs of their own, half over equal shares,
// which is what a new version hopes for and takes half the samples to show; each
// share is weighed by Beta(1/2, 1/2) (Krichevsky and Trofimov 1981).
func lnDifference(margin float64, n Counts) float64 {
	apart := lnAverage(n.Bad, n.Total) + lnAverage(n.OldBad, n.OldTotal)
	equal := lnAverage(n.Bad+n.OldBad, n.Total+n.OldTotal)
	low, high := math.Max(0, -margin), math.Min(1, 1-margin)
	return lnMean(apart, equal) + minimum(low, high, func(p float64) float64 {
		return -lnLikelihood(p+margin, n.Bad, n.Total) - lnLikelihood(p, n.OldBad, n.OldTotal)
	})
}

// lnAverage is the logarithm of the likelihood averaged over all shares.
func lnAverage(bad, total float64) float64 {
	return lnBeta(bad+0.5, total-bad+0.5) - lnBeta(0.5, 0.5)
}

// lnMean is the logarithm of the mean of two numbers that are given by theirs.
func lnMean(a, b float64) float64 {
	high := math.Max(a, b)
	return high + math.Log(math.Exp(a-high)+math.Exp(b-high)) - math.Ln2
}

// lnLikelihood of a share; what never happened says nothing of 0.
func lnLikelihood(p, bad, total float64) float64 {
	var sum float64
	if bad > 0 {
		sum += bad * math.Log(math.Max(p, 0))
	}
	if good := total - bad; good > 0 {
		sum += good * math.Log1p(-math.Min(p, 1))
	}
	return sum
}

// minimum is the smallest value of a convex function between two points, by
// golden sections.
func minimum(low, high float64, f func(float64) float64) float64 {
	const golden = 0.6180339887498949
	a, b := high-golden*(high-low), low+golden*(high-low)
	fa, fb := f(a), f(b)
	for range 100 {
		if fa <= fb { // also where both are infinite: towards 0
			high, b, fb = b, a, fa
			a = high - golden*(high-low)
			fa = f(a)
		} else {
			low, a, fa = a, b, fb
			b = low + golden*(high-low)
			fb = f(b)
		}
	}
	return math.Min(math.Min(fa, fb), math.Min(f(low), f(high)))
}

// differenceBounds are the differences, new less old, that what was seen leaves
// possible, on either side with a chance of α to be wrong, ever.
func differenceBounds(alpha float64, n Counts) (lower, upper float64) {
	if n.Total <= 0 || n.OldTotal <= 0 {
		return -1, 1
	}
	need, seen := -math.Log(alpha), n.Bad/n.Total-n.OldBad/n.OldTotal
	against := func(margin float64) bool { return lnDifference(margin, n) >= need }
	return halve(seen, -1, against), halve(seen, 1, against)
}

// halve is bisect for what may be negative.
func halve(from, to float64, is func(float64) bool) float64 {
	if !is(to) {
		return to
	}
	for range 35 {
		if mid := (from + to) / 2; is(mid) {
			to = mid
		} else {
			from = mid
		}
	}
	return to
}
