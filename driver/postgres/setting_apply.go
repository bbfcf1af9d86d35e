package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// Apply writes what is not written yet, and then sees that it is in force.
func (a *serverSettings) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := a.change(ctx, e.Mine, e.Want); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return a.Observe(ctx)
}

// Resume implements driver.Resumable.
func (a *serverSettings) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// Undo sets what was set before, and resets what was not.
func (a *serverSettings) Undo(ctx context.Context, e driver.Effect) error {
	if err := a.change(ctx, e.Mine, e.Before); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

func (a *serverSettings) change(ctx context.Context, mine func() error, to state.State) error {
	target, err := a.target(to)
	if err != nil {
		return err
	}
	f, err := a.look(ctx)
	if err != nil {
		return err
	}
	altered := false
	for _, name := range a.names {
		now, is := f.system[name]
		want := target[name].System
		if want == nil && !is || want != nil && is && now == *want {
			continue
		}
		if err := mine(); err != nil {
			return err
		}
		if err := a.alter(ctx, name, want); err != nil {
			return err
		}
		altered = true
	}
	late, err := a.late(ctx, target)
	if err != nil || len(late) == 0 && !altered {
		return err
	}
	if err := mine(); err != nil {
		return err
	}
	if late, err = a.reload(ctx, target); err != nil || len(late) == 0 {
		return err
	}
	if len(a.p.Restart) == 0 {
		return a.refused("a start is what brings "+strings.Join(names(late), ", ")+" into force, and the step names no command for it", "restart the server")
	}
	if err := mine(); err != nil {
		return err
	}
	return a.restart(ctx, target)
}

// alter writes one parameter to postgresql.auto.conf, or takes it out. The
// server refuses what it could not use.
func (a *serverSettings) alter(ctx context.Context, name string, to *string) error {
	name = pgx.Identifier(strings.Split(name, ".")).Sanitize()
	statement := "alter system reset " + name
	if to != nil {
		statement = "alter system set " + name + " to '" + strings.ReplaceAll(*to, "'", "''") + "'"
	}
	return a.fresh(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// late are the parameters whose value is not in force.
func (a *serverSettings) late(ctx context.Context, target map[string]ownedSetting) ([]parameter, error) {
	f, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	var out []parameter
	for _, name := range a.names {
		if p := f.about[name]; p.Value != text(target[name].Value) {
			out = append(out, p)
		}
	}
	return out, nil
}

func names(all []parameter) []string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = p.Name
	}
	return out
}

// reload has the server read its files, and returns what then waits for a
// start.
func (a *serverSettings) reload(ctx context.Context, target map[string]ownedSetting) (late []parameter, _ error) {
	err := a.fresh(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select pg_reload_conf()")
		return err
	})
	if err != nil {
		return nil, err
	}
	return late, a.until(ctx, "take over its parameters", func(ctx context.Context) (_ bool, err error) {
		late, err = a.late(ctx, target)
		return !slices.ContainsFunc(late, func(p parameter) bool { return !p.Pending }), err
	})
}

// restart runs the runbook's command and waits until the server goes by the
// target.
func (a *serverSettings) restart(ctx context.Context, target map[string]ownedSetting) error {
	ctx, cancel := context.WithTimeout(ctx, a.p.Timeout)
	defer cancel()
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	if err := (program{path: a.p.Restart[0], args: a.p.Restart[1:], env: env}).run(ctx, a.db.secret); err != nil {
		return fmt.Errorf("restart %s: %w", a.db, err)
	}
	return a.until(ctx, "go by its parameters after the restart", func(ctx context.Context) (bool, error) {
		late, err := a.late(ctx, target)
		return len(late) == 0, err
	})
}

// until asks until the answer is yes. Errors are what a server says that is
// starting.
func (a *serverSettings) until(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, a.p.Timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := ask(ctx)
		if yes && err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s did not %s in time: %w", a.db, what, errors.Join(err, ctx.Err()))
		}
	}
}
