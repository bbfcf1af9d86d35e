package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/redis/redistest"
)

func TestExpireWalks(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	drivertest.Walk(t, drivertest.Subject{
		NothingToDisturb: true, // keys that come later are nobody's drift
		World: func(t testing.TB) drivertest.World {
			robots(t, r, 1200)
			c := connect(t, s.URL(0))
			return drivertest.World{
				Action: func() driver.Action { return expireOf(t, c, time.Minute) },
			}
		},
	})
}

func expireOf(t testing.TB, c *Conn, ttl time.Duration) *expire {
	t.Helper()
	a, err := newExpire(t.Context(), c, expireParams{patternParams{Pattern: "robot:*"}, ttl})
	check(t, err)
	return a
}

func TestExpireTakesWhatOutlivesItAndUndoGivesItBack(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	ctx := t.Context()
	robots(t, r, 1200)
	was := expiriesOf(t, r)
	a := expireOf(t, connect(t, s.URL(0)), 10*time.Minute)
	before, err := a.Observe(ctx)
	check(t, err)
	if costs := a.Costs(before, nil); !strings.Contains(costs, "1201 keys") {
		t.Errorf("it costs %q", costs)
	}
	undo, err := do(ctx, a)
	check(t, err)
	for key, at := range expiriesOf(t, r) {
		switch left := time.Until(time.UnixMilli(at)); {
		case key == "other:1" && at == never:
		case key == "robot:soon" && at == was[key]:
		case key != "other:1" && at != never && left > 9*time.Minute && left <= 10*time.Minute:
		default:
			t.Fatalf("%s expires at %d, in %s; before %d", key, at, left, was[key])
		}
	}
	// A service writes one key anew, another goes.
	check(t, r.Set(ctx, "robot:1", "{}", 2*time.Hour).Err())
	check(t, r.Del(ctx, "robot:2", "robot:always").Err())
	kept, ok := errors.AsType[*driver.Kept](undo())
	if !ok || !strings.HasPrefix(kept.What, "2 keys") {
		t.Errorf("undo keeps %+v", kept)
	}
	for key, at := range expiriesOf(t, r) {
		if key == "robot:1" {
			if time.Until(time.UnixMilli(at)) < 100*time.Minute {
				t.Errorf("what a service wrote since expires at %d", at)
			}
		} else if at != was[key] {
			t.Errorf("%s expires at %d, and did at %d", key, at, was[key])
		}
	}
}

func expiriesOf(t testing.TB, r *redis.Client) map[string]int64 {
	t.Helper()
	keys, err := r.Keys(t.Context(), "*").Result()
	check(t, err)
	at, err := expiries(t.Context(), r, keys)
	check(t, err)
	out := map[string]int64{}
	for i, key := range keys {
		out[key] = at[i]
	}
	return out
}

// Services go on writing while keys are shortened, and while that is undone:
// what they wrote last keeps the time to live that they gave it.
func TestWhatServicesWriteMeanwhileIsTheirs(t *testing.T) {
	s := redistest.Start(t)
	r, service := s.Client(t), s.Client(t)
	ctx := t.Context()
	robots(t, r, 3000)
	c := connect(t, s.URL(0))
	writing, stop, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ; n++ {
			if n == 100 {
				close(writing)
			}
			select {
			case <-stop:
				return
			default:
				if err := service.Set(context.Background(), fmt.Sprintf("robot:%d", n%1000), "{}", 2*time.Hour).Err(); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	<-writing
	undo, err := do(ctx, expireOf(t, c, 10*time.Minute))
	check(t, err)
	check(t, undo())
	close(stop)
	<-ended
	for key, at := range expiriesOf(t, r) {
		if at != never && key != "robot:soon" && time.Until(time.UnixMilli(at)) < 50*time.Minute {
			t.Errorf("%s was left to expire in %s", key, time.Until(time.UnixMilli(at)))
		}
	}
}
