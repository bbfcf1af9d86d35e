package evidence

import (
	"math"
	"testing"
)

// It is the one that adding up the binomial terms gives.
func TestAnIntervalIsThatOfClopperAndPearson(t *testing.T) {
	for _, c := range []struct{ k, n, confidence, lower, upper float64 }{
		{0, 10, 0.95, 0, 0.3084971},
		{10, 10, 0.95, 0.6915029, 1},
		{1, 10, 0.95, 0.0025286, 0.4450161},
		{5, 10, 0.95, 0.1870860, 0.8129140},
		{50, 100, 0.95, 0.3983211, 0.6016789},
		{10, 100, 0.99, 0.0381957, 0.2019535},
	} {
		lower, upper := Interval(c.k, c.n, c.confidence)
		if math.Abs(lower-c.lower) > 1e-6 || math.Abs(upper-c.upper) > 1e-6 {
			t.Errorf("%g of %g at %g: %.7f to %.7f, want %.7f to %.7f", c.k, c.n, c.confidence, lower, upper, c.lower, c.upper)
		}
	}
	lower, upper := Interval(2e5, 2e6, 0.999)
	if z := 3.2905 * math.Sqrt(0.09/2e6); math.Abs(lower-(0.1-z)) > 1e-5 || math.Abs(upper-(0.1+z)) > 1e-5 {
		t.Errorf("of many: %g to %g", lower, upper)
	}
}
