package edge

import "math"

// bounds are those of a share of which k of n were seen, at a confidence: the
// exact ones of Clopper and Pearson (Biometrika 26, 1934). The lower one is
// where k or more of n have a chance of half of what is left to error, the
// upper one where k or fewer do.
func bounds(k, n, confidence float64) (lower, upper float64) {
	lower, upper = 0, 1
	half := (1 - confidence) / 2
	if n <= 0 {
		return lower, upper
	}
	if k > 0 { // P(X ≥ k) = I_p(k, n-k+1)
		lower = solve(func(p float64) bool { return incompleteBeta(p, k, n-k+1) < half })
	}
	if k < n { // P(X ≤ k) = 1 - I_p(k+1, n-k)
		upper = solve(func(p float64) bool { return 1-incompleteBeta(p, k+1, n-k) > half })
	}
	return lower, upper
}

// solve finds where below turns from true to false, between 0 and 1.
func solve(below func(float64) bool) float64 {
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

// incompleteBeta is the regularised incomplete beta function I_x(a, b), by its
// continued fraction (DLMF 8.17.22), evaluated as Lentz does.
func incompleteBeta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // where the fraction converges slowly
		return 1 - incompleteBeta(1-x, b, a)
	}
	lnA, _ := math.Lgamma(a)
	lnB, _ := math.Lgamma(b)
	lnAB, _ := math.Lgamma(a + b)
	front := math.Exp(lnAB-lnA-lnB+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny, enough = 1e-300, 1e-14
	f, c, d := 1.0, 1.0, 0.0
	for i := range 10000 {
		m := float64(i / 2)
		var step float64
		switch {
		case i == 0:
			step = 1
		case i%2 == 0:
			step = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			step = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + step*d; math.Abs(d) < tiny {
			d = tiny
		}
		if c = 1 + step/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		f *= c * d
		if i > 0 && math.Abs(1-c*d) < enough {
			break
		}
	}
	return front * (f - 1)
}
