package redis

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/redis/redistest"
)

func TestClearWalks(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true, NothingToDisturb: true,
		World: func(t testing.TB) drivertest.World {
			robots(t, r, 1200)
			c := connect(t, s.URL(0))
			return drivertest.World{
				Action: func() driver.Action { return clearOf(t, c, "robot:*") },
			}
		},
	})
}

func clearOf(t testing.TB, c *Conn, pattern string) *clearKeys {
	t.Helper()
	a, err := newClear(t.Context(), c, clearParams{patternParams{Pattern: pattern}})
	check(t, err)
	return a
}

func TestClearDeletesWhatMatchesAndSaysThatItIsGone(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	robots(t, r, 1200)
	check(t, r.Set(t.Context(), "robot/1", "x", 0).Err())
	undo, err := do(t.Context(), clearOf(t, connect(t, s.URL(0)), "robot:*"))
	check(t, err)
	keys, err := r.Keys(t.Context(), "*").Result()
	check(t, err)
	if slices.Sort(keys); !slices.Equal(keys, []string{"other:1", "robot/1"}) {
		t.Errorf("left are %v", keys)
	}
	kept, ok := errors.AsType[*driver.Kept](undo())
	if !ok || !strings.Contains(kept.Cost, "up to 1202 keys were deleted") {
		t.Errorf("undo says %+v", kept)
	}
}

func TestMoreKeysThanTheLimitAreRefused(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	robots(t, r, 100)
	for _, pattern := range []string{"robot:*", "*:*"} {
		a, err := newClear(t.Context(), connect(t, s.URL(0)), clearParams{patternParams{Pattern: pattern, Limit: 50}})
		check(t, err)
		if _, err := do(t.Context(), a); err == nil || !strings.Contains(err.Error(), "more than 50 keys match "+pattern) {
			t.Errorf("%v", err)
		}
	}
	if n := r.DBSize(t.Context()).Val(); n != 103 {
		t.Errorf("%d keys are left", n)
	}
}
