package process

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/process/processtest"
)

func restartOf(t testing.TB, c *Conn, service string) driver.Action {
	t.Helper()
	a, err := newRestart(t.Context(), c, restartParams{rolling{Service: service, Within: 10 * time.Second, asking: asking{health}}})
	check(t, err)
	return a
}

func TestRestartWalks(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2)...)
	drivertest.Walk(t, drivertest.Subject{
		Slow:       true,
		AlwaysActs: true, MayKeep: true,
		World: func(t testing.TB) drivertest.World {
			o.Reset(t)
			c := connect(t, o)
			return drivertest.World{
				Action: func() driver.Action { return restartOf(t, c, "web") },
				Disturb: func(ctx context.Context) error { // another run restarts it as well
					a := restartOf(t, c, "web")
					_, err := a.Apply(ctx, effectOf(t, a))
					return err
				},
			}
		},
	})
}

func TestACrashRestartsNobodyTwiceAndSkipsNobody(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 3)...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	pids := func() [3]int {
		return [3]int{o.Status(t, "web-0").PID, o.Status(t, "web-1").PID, o.Status(t, "web-2").PID}
	}
	first := pids()
	a := restartOf(t, c, "web")
	e := effectOf(t, a)
	calls := 0
	e.Mine = func() error {
		if calls++; calls == 3 { // web-0 is done, web-1 was to be next
			return driver.ErrNotMine
		}
		return nil
	}
	if _, err := a.Apply(t.Context(), e); !errors.Is(err, driver.ErrNotMine) {
		t.Fatalf("apply without the lease: %v", err)
	}
	half := pids()
	if half[0] == first[0] || half[1] != first[1] || half[2] != first[2] {
		t.Fatalf("processes before %v, at the crash %v", first, half)
	}
	e.Mine = func() error { return nil }
	_, err := restartOf(t, c, "web").(driver.Resumable).Resume(t.Context(), e)
	check(t, err)
	if now := pids(); now[0] != half[0] || now[1] == half[1] || now[2] == half[2] {
		t.Errorf("processes at the crash %v, after resuming %v", half, now)
	}
	if err := a.Undo(t.Context(), e); err == nil {
		t.Error("the undo of a restart does not say that nothing was restored")
	}
}
