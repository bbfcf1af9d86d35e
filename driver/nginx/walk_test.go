package nginx

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge"
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

// splitting is an NGINX that uses the split, which is at 0 %: as after the
// first step of a runbook, the edit after it, and a start with both.
func splitting(t testing.TB, p splitParams, options ...nginxtest.Option) *nginxtest.Server {
	t.Helper()
	s := nginxtest.New(t, append(options, nginxtest.Split)...)
	p.New = 0
	a := actionOf(t, s, p)
	paths := a.conn.paths(a.p.Name)
	for path, src := range map[string][]byte{paths.http: a.settings.httpFile(paths.link), paths.server: a.settings.serverFile(paths.link)} {
		if err := edge.Replace(t.Context(), effect(nil, nil).Mine, path, nil, src); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.point(t.Context(), effect(nil, nil).Mine, a.settings, 0); err != nil {
		t.Fatal(err)
	}
	s.Launch(t)
	return s
}

func TestSplitByFilesWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true,
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
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true, Slow: true, // a reload takes NGINX a tenth of a second
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
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true, Slow: true, // a reload takes NGINX a tenth of a second
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
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		Parallel: true, Slow: true, // a reload takes NGINX a tenth of a second
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
