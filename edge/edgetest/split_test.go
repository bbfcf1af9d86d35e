package edgetest

import "testing"

// TestWhatIsWrongIsFound is the negative control of the judgements.
func TestWhatIsWrongIsFound(t *testing.T) {
	for _, c := range []struct {
		k, n  int
		p     float64
		wrong bool
	}{
		{2000, 20000, 0.1, false},
		{2139, 20000, 0.1, false},
		{2141, 20000, 0.1, true},
		{1859, 20000, 0.1, true},
		{0, 20000, 0, false},
		{1, 20000, 0, true},
		{20000, 20000, 1, false},
		{19999, 20000, 1, true},
	} {
		if off, bound := spread(c.k, c.n, c.p); (off > bound) != c.wrong {
			t.Errorf("%+v: %g off, bound %g", c, off, bound)
		}
	}
	was := map[string]string{"a": "new", "b": "legacy"}
	if wentBack(was, map[string]string{"a": "new", "b": "new"}) != 0 || wentBack(was, map[string]string{"a": "legacy", "b": "new"}) != 1 {
		t.Error("a client that went back is not found")
	}
	if moved(was, was) != 0 || moved(was, map[string]string{"a": "new", "b": "new"}) != 1 || moved(was, nil) != 2 {
		t.Error("a client that moved is not found")
	}
}
