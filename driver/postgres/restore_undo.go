package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// leaving is how long a session may take to be gone once it has said goodbye.
const leaving = 2 * time.Second

// Undo drops the database that it made, if it still is what was restored and
// nobody is connected to it. It works on it under the other name, where nobody
// else comes by: nothing can arrive between the look and the drop.
func (r *restore) Undo(ctx context.Context, e driver.Effect) error {
	was, err := r.decode(e.Before)
	if err != nil {
		return err
	}
	want, err := r.decode(e.Want)
	if err != nil {
		return err
	}
	now, n, err := r.look(ctx)
	if err != nil {
		return err
	}
	switch was.Database {
	case isEmpty:
		err = r.undoFilled(ctx, e, now, n)
	case absent:
		err = r.undoMade(ctx, e, want, now, n)
	}
	if err != nil {
		if _, kept := errors.AsType[*driver.Kept](err); kept {
			return err
		}
		return fmt.Errorf("%s: undo the restore into %s: %w", r.db, r.p.Into, err)
	}
	return nil
}

// undoFilled leaves what is in a database that was there before.
func (r *restore) undoFilled(ctx context.Context, e driver.Effect, now restored, n neighbour) error {
	switch {
	case now.Database == absent, now.Database == isEmpty && n.mark == nil:
		return nil
	case now.Database == isEmpty:
		empty, err := r.db.empty(ctx, r.p.Into)
		if err != nil {
			return err
		}
		if empty {
			return r.unmark(ctx, e, n.mark.Was)
		}
	}
	if err := e.Mine(); err != nil { // it is for whoever holds the lease to report
		return err
	}
	return r.kept(r.p.Into, "what was restored into it: it was there before, and empty, and is not for Segue to drop")
}

func (r *restore) unmark(ctx context.Context, e driver.Effect, was string) error {
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := e.Mine(); err != nil {
			return err
		}
		return comment(ctx, conn, r.p.Into, was)
	})
}

// undoMade drops the database, or what there is of it.
func (r *restore) undoMade(ctx context.Context, e driver.Effect, want, now restored, n neighbour) error {
	aside, err := r.db.neighbour(ctx, r.partial())
	if err != nil {
		return err
	}
	if aside.there && (aside.mark == nil || aside.mark.Restored == "") {
		if err := r.dropPartial(ctx, e); err != nil {
			return err
		}
	}
	switch {
	case aside.mark != nil && aside.mark.Restored != "": // an undo died here
		return r.dropAside(ctx, e, *aside.mark, n.there)
	case !n.there:
		return nil
	case now.Database != isRestored || now.SHA256 != want.SHA256:
		if err := e.Mine(); err != nil {
			return err
		}
		return r.kept(r.p.Into, "what is in it: it does not have the mark of this restore, so whether anything was written since cannot be told")
	}
	if err := r.unchanged(ctx, r.p.Into, *n.mark); err != nil {
		return r.keep(e, err)
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := r.rename(ctx, r.p.Into, r.partial()); err != nil {
		return r.keep(e, err)
	}
	return r.dropAside(ctx, e, *n.mark, false)
}

// dropAside drops the database under its other name, or gives it its own back.
func (r *restore) dropAside(ctx context.Context, e driver.Effect, m mark, taken bool) error {
	aside := r.partial()
	changed := r.unchanged(ctx, aside, m)
	if err := e.Mine(); err != nil {
		return err
	}
	switch {
	case errors.Is(changed, errChanged) && taken:
		return r.kept(aside, changed.Error()+"; the name "+r.p.Into+" is another database's by now")
	case errors.Is(changed, errChanged):
		if err := r.rename(ctx, aside, r.p.Into); err != nil {
			return err
		}
		return r.keep(e, changed)
	case changed != nil:
		return changed
	}
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := order(ctx, conn, "drop database if exists %I", aside); err != nil {
			return fmt.Errorf("drop database %s: %w", aside, err)
		}
		return nil
	})
}

// keep makes a Kept of the reasons why a database must stay; other errors stay
// what they are.
func (r *restore) keep(e driver.Effect, err error) error {
	if !inUse(err) {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	return r.kept(r.p.Into, err.Error())
}

// unchanged returns an error that wraps errChanged if a database is not what
// was restored, or somebody is connected to it, who may be about to write.
func (r *restore) unchanged(ctx context.Context, database string, m mark) error {
	sessions, err := r.sessions(ctx, database)
	if err != nil {
		return err
	}
	if sessions > 0 {
		return fmt.Errorf("%w: %d sessions are connected to it", errChanged, sessions)
	}
	c, err := r.content(ctx, database)
	if err != nil {
		return err
	}
	if c.digest == m.Content {
		return nil
	}
	if tables := unlike(m.Rows, c.rows); len(tables) > 0 {
		return fmt.Errorf("%w: %s", errChanged, strings.Join(tables, "; "))
	}
	return fmt.Errorf("%w: as many rows, and others, or other definitions", errChanged)
}

// sessions counts who is connected to a database. It gives those who have just
// left, as a process that died, the time to be gone.
func (r *restore) sessions(ctx context.Context, database string) (n int, err error) {
	const connected = `select count(*) from pg_stat_activity
		where datname = $1 and pid <> pg_backend_pid() and coalesce(backend_type, 'client backend') = 'client backend'`
	tick, late := time.NewTicker(50*time.Millisecond), time.NewTimer(leaving)
	defer tick.Stop()
	defer late.Stop()
	for {
		err := r.db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, connected, database).Scan(&n)
		})
		if err != nil {
			return 0, fmt.Errorf("look who is connected to %s: %w", database, err)
		}
		if n == 0 {
			return 0, nil
		}
		select {
		case <-tick.C:
		case <-late.C:
			return n, nil
		case <-ctx.Done():
			return n, context.Cause(ctx)
		}
	}
}

func (r *restore) rename(ctx context.Context, from, to string) error {
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := order(ctx, conn, "alter database %I rename to %I", from, to); err != nil {
			return fmt.Errorf("rename database %s to %s: %w", from, to, err)
		}
		return nil
	})
}

func sqlState(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}
