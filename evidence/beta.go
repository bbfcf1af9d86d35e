package evidence

import "math"

// lnBeta is the logarithm of the beta function.
func lnBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// lnTails are the logarithms of what a Beta(a, b) has below x and above it. Of
// the two the smaller is computed, so that neither loses its digits.
func lnTails(a, b, x float64) (below, above float64) {
	switch {
	case x <= 0:
		return math.Inf(-1), 0
	case x >= 1:
		return 0, math.Inf(-1)
	case x < (a+1)/(a+b+2):
		below = lnTail(a, b, x)
		return below, ln1mExp(below)
	}
	above = lnTail(b, a, 1-x)
	return ln1mExp(above), above
}

// ln1mExp is ln(1 - e^x) for x below 0.
func ln1mExp(x float64) float64 {
	if x > -math.Ln2 {
		return math.Log(-math.Expm1(x))
	}
	return math.Log1p(-math.Exp(x))
}

// lnTail is the regularized incomplete beta function in logarithms, by its
// continued fraction: DLMF 8.17.22, evaluated from the front (Lentz 1976). It
// converges where x is below the mean, in about the root of the larger
// parameter.
func lnTail(a, b, x float64) float64 {
	const tiny = 1e-300
	front := a*math.Log(x) + b*math.Log1p(-x) - math.Log(a) - lnBeta(a, b)
	clear := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/clear(1-(a+b)*x/(a+1))
	sum := d
	most := 200 + int(10*math.Sqrt(math.Max(a, b)))
	for i := 1; i <= most; i++ {
		m := float64(i)
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/clear(1+even*d), clear(1+even/c)
		sum *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/clear(1+odd*d), clear(1+odd/c)
		sum *= d * c
		if math.Abs(d*c-1) < 1e-15 {
			break
		}
	}
	return front + math.Log(sum)
}
