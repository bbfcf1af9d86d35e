package edgetest

import (
	"fmt"
	"math"
	"sync"
	"testing"
)

// Plain is a client's key as it is.
func Plain(k int) string { return fmt.Sprintf("client-%d", k) }

// Address is a client's address on the loopback.
func Address(k int) string { return fmt.Sprintf("127.1.%d.%d", k/250, 1+k%250) }

// Sides asks once as each of n clients, on several connections, and returns
// which side served which. key is what stands in the header for a client; or,
// where no header is given, the address that it comes from.
func Sides(t testing.TB, addr string, n int, header string, key func(int) string) map[string]string {
	t.Helper()
	out := make(map[string]string, n)
	var mu sync.Mutex
	var all sync.WaitGroup
	const connections = 8
	for i := range connections {
		all.Go(func() {
			c := Client{Addr: addr}
			defer c.Close()
			for k := i; k < n; k += connections {
				ask := map[string]string{header: key(k)}
				if header == "" {
					c.Close()
					c.From, ask = key(k), nil
				}
				side, _, err := c.Do("GET", "/who", "", ask)
				mu.Lock()
				out[key(k)] = side
				mu.Unlock()
				if err != nil {
					t.Errorf("%s: %v", key(k), err)
					return
				}
			}
		})
	}
	all.Wait()
	return out
}

// Share is how many of the clients a side served.
func Share(sides map[string]string, side string) (k int) {
	for _, s := range sides {
		if s == side {
			k++
		}
	}
	return k
}

// WithinBinomial fails unless k of n is what a share of p can give, but for
// one time in a thousand. At 0 and 1 there is no exception.
func WithinBinomial(t testing.TB, k, n int, p float64) {
	t.Helper()
	if off, bound := spread(k, n, p); off > bound {
		t.Errorf("%d of %d requests were served by the new side at %g %%: %.0f off, and chance gives %.0f at most", k, n, 100*p, off, bound)
	}
}

func spread(k, n int, p float64) (off, bound float64) {
	const z = 3.2905 // both tails together have 0.1 %
	return math.Abs(float64(k) - p*float64(n)), z * math.Sqrt(float64(n)*p*(1-p))
}

// StaysOnNew fails if a client that was on the new side at a share is not so
// at a larger one.
func StaysOnNew(t testing.TB, smaller, larger map[string]string) {
	t.Helper()
	if n := wentBack(smaller, larger); n > 0 {
		t.Errorf("%d clients went back to the old side as the share grew", n)
	}
}

func wentBack(smaller, larger map[string]string) (n int) {
	for key, side := range smaller {
		if side == "new" && larger[key] != "new" {
			n++
		}
	}
	return n
}

// Same fails if a client is served by another side than before.
func Same(t testing.TB, before, after map[string]string) {
	t.Helper()
	if n := moved(before, after); n > 0 || len(before) == 0 {
		t.Errorf("%d of %d clients moved although nothing changed", n, len(before))
	}
}

func moved(before, after map[string]string) (n int) {
	for key, side := range before {
		if after[key] != side {
			n++
		}
	}
	return n
}
