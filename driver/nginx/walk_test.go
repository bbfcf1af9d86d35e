package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

const keyHeader = "X-Robot-Id"

func connTo(t testing.TB, s *nginxtest.Server) *Conn {
	t.Helper()
	c, err := open(connParams{Config: s.Config, Control: s.Control, Logs: s.Dir + "/logs"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func params(way string, percent float64) splitParams {
	return splitParams{New: runbook.Percent(percent), By: "header " + keyHeader, Way: way, OldWorkers: new(20 * time.Second)}
}

func actionOf(t testing.TB, s *nginxtest.Server, p splitParams) *split {
	t.Helper()
	a, err := newSplit(connTo(t, s), p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// effect is a run's, which is never in doubt.
func effect(before, want state.State) driver.Effect {
	return driver.Effect{
		Before: before, Want: want,
		Save: func(context.Context, any) error { return nil },
		Mine: func() error { return nil },
	}
}

// do plans and applies as a run does, and returns what undoes it.
func do(ctx context.Context, a *split) (undo func() error, _ error) {
	before, err := a.Observe(ctx)
	if err != nil {
		return nil, err
	}
	others, err := a.Survey(ctx)
	if err != nil {
		return nil, err
	}
	want, err := a.PlanAmong(before, others)
	if err != nil {
		return nil, err
	}
	undo = func() error { return a.Undo(ctx, effect(before, want)) }
	if _, err := a.Apply(ctx, effect(before, want)); err != nil {
		return undo, err
	}
	return undo, nil
}

func to(t testing.TB, s *nginxtest.Server, p splitParams) (undo func()) {
	t.Helper()
	back, err := do(t.Context(), actionOf(t, s, p))
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := back(); err != nil {
			t.Fatal(err)
		}
	}
}

// splitting is an NGINX whose configuration has come to use the split, which
// is at 0 %: as after the first step of a runbook, and the edit after it.
func splitting(t testing.TB, p splitParams, options ...nginxtest.Option) *nginxtest.Server {
	t.Helper()
	s := nginxtest.Start(t, options...)
	p.New = 0
	to(t, s, p)
	s.Edit(t, nginxtest.Split)
	reload(t, s)
	return s
}

// reload does what an operator does.
func reload(t testing.TB, s *nginxtest.Server) {
	t.Helper()
	m := master{pid: s.PID()}
	before, err := m.workers()
	if err != nil {
		t.Fatal(err)
	}
	s.Signal(syscall.SIGHUP)
	edgetest.Await(t, "new workers", func() error {
		now, err := m.workers()
		fresh := 0
		for pid := range now {
			if _, old := before[pid]; old {
				return errors.New("an old worker is there")
			}
			fresh++
		}
		if fresh == 0 {
			return fmt.Errorf("no worker: %w", err)
		}
		return err
	})
}

func TestSplitByFilesWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			s := splitting(t, params(byFiles, 0))
			return drivertest.World{
				Action:  func() driver.Action { return actionOf(t, s, params(byFiles, 12.5)) },
				Disturb: func(context.Context) error { return connTo(t, s).paths("edge").point(0) },
			}
		},
	})
}

func TestSplitByReloadWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			s := splitting(t, params(byReload, 0))
			return drivertest.World{
				Action:  func() driver.Action { return actionOf(t, s, params(byReload, 12.5)) },
				Disturb: func(context.Context) error { return scribble(connTo(t, s).paths("edge").http) },
			}
		},
	})
}

// The first step makes the files, which the configuration needs from then on.
func TestSplitThatIsNewWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true,
		World: func(t testing.TB) drivertest.World {
			s := nginxtest.Start(t)
			s.Edit(t, nginxtest.Split)
			return drivertest.World{
				Action:  func() driver.Action { return actionOf(t, s, params(byFiles, 25)) },
				Disturb: func(context.Context) error { return scribble(connTo(t, s).paths("edge").server) },
			}
		},
	})
}

func TestSplitThatNobodyUsesWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			s := nginxtest.Start(t)
			return drivertest.World{
				Action:  func() driver.Action { return actionOf(t, s, params(byFiles, 0)) },
				Disturb: func(context.Context) error { return os.Remove(connTo(t, s).paths("edge").link) },
			}
		},
	})
}

func scribble(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("# mine\n")
	return errors.Join(err, f.Close())
}
