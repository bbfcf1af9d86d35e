package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceHandsOutWhatIsDueWhateverWasLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		var n int
		var latest time.Duration
		pace(ctx, start, 5000, func(i int, due time.Time) {
			if want := start.Add(time.Duration(i) * 200 * time.Microsecond); i != n || due.Sub(want).Abs() > time.Microsecond {
				t.Fatalf("number %d is due at %s, want number %d at %s", i, due.Sub(start), n, want.Sub(start))
			}
			if due.After(time.Now()) {
				t.Fatalf("number %d is early", i)
			}
			if i == 1000 {
				time.Sleep(time.Second) // the program was not scheduled
			} else if i < 1000 || i > 6100 {
				latest = max(latest, time.Since(due))
			}
			n++
		})
		if n < 14990 || n > 15001 || latest > beat {
			t.Errorf("%d in 3 s, late by up to %s", n, latest)
		}
	})
}
