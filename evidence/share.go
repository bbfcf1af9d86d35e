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
	upper = cross(math.Max(seen, edge), 1-edge, func(p float64) float64 {
		below, _ := lnShare(p, bad, total)
		return below - need
	})
	if bad == 0 {
		return 0, upper
	}
	lower = cross(math.Min(seen, 1-edge), edge, func(p float64) float64 {
		_, above := lnShare(p, bad, total)
		return above - need
	})
	if lower <= edge {
		lower = 0
	}
	return lower, upper
}

// cross finds where a function that rises from one share to another passes 0;
// the other when it never does. It goes by ratios, as shares are small: at
// first by halves, and then by false position, where the end that stays gives
// way (the Illinois rule).
func cross(from, to float64, f func(float64) float64) float64 {
	high := f(to)
	if high < 0 {
		return to
	}
	low := f(from)
	if low >= 0 {
		return from
	}
	a, b := math.Log(from), math.Log(to)
	stays := 0 // at which end, so far: below 0 at a, above it at b
	for i := 0; i < 60 && math.Abs(b-a) > 1e-8; i++ {
		mid := (a + b) / 2
		if i >= 5 {
			mid = a - low*(b-a)/(high-low)
		}
		v := f(math.Exp(mid))
		if v >= 0 {
			b, high = mid, v
			if stays < 0 {
				low /= 2
			}
			stays = -1
		} else {
			a, low = mid, v
			if stays > 0 {
				high /= 2
			}
			stays = 1
		}
		if math.Abs(v) < 1e-9 {
			break
		}
	}
	return math.Exp(b)
}
