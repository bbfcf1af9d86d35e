package evidence

import "math"

// lnShare is the evidence, as the logarithm of a test martingale, that the true
// share of bad is below a threshold, and that it is above it, after bad of
// total.
//
// Each is the likelihood of what was seen, averaged over shares on one side,
// against the likelihood at the threshold: Robbins' method of mixtures (Robbins
// 1970, "Statistical methods related to the law of the iterated logarithm";
// Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric,
// nonasymptotic confidence sequences", section 3). The shares are weighed by
// Beta(1/2, 1/(2·threshold)), cut at the threshold, so that every one of them
// lies on its own side: then each factor has an expectation of at most 1 not
// only at the threshold but for any share beyond it, also one that changes from
// request to request. By Ville's inequality the chance that it ever reaches
// 1/α, however often one looks, is at most α.
//
// It depends on the sums alone, not on how they came; one more bad makes below
// smaller, always, and above larger.
func lnShare(threshold, bad, total float64) (below, above float64) {
	a, b := 0.5, 1/(2*threshold)
	priorBelow, priorAbove := lnTails(a, b, threshold)
	postBelow, postAbove := lnTails(bad+a, total-bad+b, threshold)
	ratio := lnBeta(bad+a, total-bad+b) - lnBeta(a, b) - bad*math.Log(threshold) - (total-bad)*math.Log1p(-threshold)
	return ratio + postBelow - priorBelow, ratio + postAbove - priorAbove
}

// shareBounds are the shares that bad of total leaves possible: those against
// which the evidence has not reached 1/α, on either side. Together over all
// time each bound is crossed with a chance of at most α (a confidence sequence).
func shareBounds(alpha, bad, total float64) (lower, upper float64) {
	if total <= 0 {
		return 0, 1
	}
	need, seen := -math.Log(alpha), bad/total
	const edge = 1e-12
	upper = bisect(math.Max(seen, edge), 1-edge, func(p float64) bool {
		below, _ := lnShare(p, bad, total)
		return below >= need
	})
	if bad == 0 {
		return 0, upper
	}
	lower = bisect(math.Min(seen, 1-edge), edge, func(p float64) bool {
		_, above := lnShare(p, bad, total)
		return above >= need
	})
	return lower, upper
}

// bisect finds where is begins to hold on the way from a point where it does
// not; to when it never does. Small shares are told apart by their ratio.
func bisect(from, to float64, is func(float64) bool) float64 {
	if !is(to) {
		return to
	}
	if is(from) {
		return from
	}
	for range 35 {
		mid := (from + to) / 2
		if from > 0 && to > 0 {
			mid = math.Sqrt(from * to)
		}
		if is(mid) {
			to = mid
		} else {
			from = mid
		}
	}
	return to
}
