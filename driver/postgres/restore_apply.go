package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

func (r *restore) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	want, err := r.decode(e.Want)
	if err != nil {
		return nil, err
	}
	now, n, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case now.Database == isRestored && now.Backup == want.Backup && now.SHA256 == want.SHA256:
		return state.Of(r.id, now), nil
	case now.Database != absent && now.Database != isEmpty:
		return nil, fmt.Errorf("%s: database %s is not empty any more: name another one in into", r.db, r.p.Into)
	}
	if err := r.apply(ctx, e, want, now, n); err != nil {
		return nil, fmt.Errorf("%s: restore %s into %s: %w", r.db, want.Backup, r.p.Into, err)
	}
	return r.Observe(ctx)
}

func (r *restore) apply(ctx context.Context, e driver.Effect, want, now restored, n neighbour) error {
	f, m, err := r.open(ctx, want)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	c, err := r.db.client(ctx, max(r.place.Major, m.major()))
	if err != nil {
		return err
	}
	if now.Database == isEmpty {
		return r.fillEmpty(ctx, e, c, f, m, n)
	}
	return r.fillNew(ctx, e, c, f, m)
}

// open opens the backup that was planned, summed up right now and not from
// memory: what is read below is this very file.
func (r *restore) open(ctx context.Context, want restored) (*os.File, *manifest, error) {
	dir, m, err := r.seek(want.Backup)
	if err != nil {
		return nil, nil, err
	}
	if m.SHA256 != want.SHA256 {
		return nil, nil, fmt.Errorf("it is another backup than was planned: its manifest says %s, and the plan %s", m.SHA256, want.SHA256)
	}
	f, err := os.Open(filepath.Join(dir, want.Backup))
	if err != nil {
		return nil, nil, err
	}
	if err := m.fits(ctx, f, nil); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, m, nil
}

// seek finds a backup by its name.
func (r *restore) seek(name string) (dir string, m *manifest, err error) {
	dirs, err := r.from.All()
	if err != nil {
		return "", nil, err
	}
	err = fmt.Errorf("there is no backup %s in %s any more", name, r.dir)
	for _, dir := range dirs {
		m, wrong := readManifest(dir, name)
		if wrong == nil {
			return dir, m, nil
		}
		if len(dirs) == 1 {
			err = wrong
		}
	}
	return "", nil, err
}

var leadingDigits = regexp.MustCompile(`^\d+`)

// major is the version of pg_dump that wrote the backup; no older pg_restore
// reads it.
func (m *manifest) major() int {
	n, _ := strconv.Atoi(leadingDigits.FindString(m.Dumper)) // 0 for what nobody wrote down
	return n
}

// fillNew makes the database under another name, and renames it.
func (r *restore) fillNew(ctx context.Context, e driver.Effect, c client, f *os.File, m *manifest) error {
	partial := r.partial()
	if err := r.dropPartial(ctx, e); err != nil {
		return err
	}
	begun := mark{Filling: filepath.Base(f.Name())}
	if err := r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := e.Mine(); err != nil {
			return err
		}
		options, values := m.Made.sql()
		if err := order(ctx, conn, "create database %I"+options, append([]any{partial}, values...)...); err != nil {
			return fmt.Errorf("create database %s: %w", partial, err)
		}
		if err := e.Mine(); err != nil {
			return err
		}
		return comment(ctx, conn, partial, begun.String())
	}); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := r.fill(ctx, c, f, partial); err != nil {
		return err
	}
	done, err := r.prove(ctx, partial, f, m)
	if err != nil {
		return err
	}
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := comment(ctx, conn, partial, done.String()); err != nil {
				return err
			}
			if err := order(ctx, conn, "alter database %I rename to %I", partial, r.p.Into); err != nil {
				return fmt.Errorf("rename %s to %s: %w", partial, r.p.Into, err)
			}
			return e.Mine() // the commit follows
		})
	})
}

// fillEmpty fills a database that was there. A dead process may have filled it
// to its end, in one transaction, and died before it could say so.
func (r *restore) fillEmpty(ctx context.Context, e driver.Effect, c client, f *os.File, m *manifest, n neighbour) error {
	into := r.p.Into
	begun := mark{Filling: filepath.Base(f.Name()), Was: n.comment}
	filled := false
	if n.mark != nil {
		begun.Was = n.mark.Was
		empty, err := r.db.empty(ctx, into)
		if err != nil {
			return err
		}
		filled = !empty
	}
	if !filled {
		if err := e.Mine(); err != nil {
			return err
		}
		if err := r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return comment(ctx, conn, into, begun.String())
		}); err != nil {
			return err
		}
		if err := e.Mine(); err != nil {
			return err
		}
		if err := r.fill(ctx, c, f, into, "--single-transaction"); err != nil {
			return err
		}
	}
	done, err := r.prove(ctx, into, f, m)
	if err != nil {
		return err
	}
	done.Was = begun.Was
	if err := e.Mine(); err != nil {
		return err
	}
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return comment(ctx, conn, into, done.String())
	})
}

// fill runs pg_restore. What it makes belongs to the connection's role, and
// subscribes to nothing: a copy must not take part in replication.
func (r *restore) fill(ctx context.Context, c client, f *os.File, database string, more ...string) error {
	args := []string{"--exit-on-error", "--no-owner", "--no-subscriptions", "--no-password", "--dbname=" + r.db.conninfo(database)}
	return program{path: c.restore(), args: append(args, more...), env: r.db.clientEnv(), in: f}.run(ctx, r.db.secret)
}

// prove compares what was restored with what was dumped.
func (r *restore) prove(ctx context.Context, database string, f *os.File, m *manifest) (mark, error) {
	c, err := r.content(ctx, database)
	if err != nil {
		return mark{}, err
	}
	if m.Rows != nil && !maps.Equal(m.Rows, c.rows) {
		return mark{}, fmt.Errorf("what is restored is not what was dumped: %s", strings.Join(unlike(m.Rows, c.rows), "; "))
	}
	return mark{Restored: filepath.Base(f.Name()), SHA256: m.SHA256, Rows: c.rows, Content: c.digest}, nil
}

func (r *restore) content(ctx context.Context, database string) (content, error) {
	var c content
	err := r.db.in(ctx, database, func(ctx context.Context, conn *pgx.Conn) (err error) {
		c, err = contentOf(ctx, conn)
		return err
	})
	return c, err
}

// admin runs f on the connection's own database, with no limit but ctx: to
// create or drop a database may wait for a checkpoint.
func (r *restore) admin(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	return r.db.in(ctx, r.db.name, f)
}

func comment(ctx context.Context, conn *pgx.Conn, database, text string) error {
	if err := order(ctx, conn, "comment on database %I is %L", database, text); err != nil {
		return fmt.Errorf("comment on database %s: %w", database, err)
	}
	return nil
}

// dropPartial removes what an earlier attempt left half-made, with the sessions
// that may still be filling it.
func (r *restore) dropPartial(ctx context.Context, e driver.Effect) error {
	partial := r.partial()
	n, err := r.db.neighbour(ctx, partial)
	if err != nil || !n.there {
		return err
	}
	switch {
	case n.mark != nil && n.mark.Restored != "": // an undo died here
		if err := r.unchanged(ctx, partial, *n.mark); err != nil {
			return fmt.Errorf("database %s is in the way: %w; rename it", partial, err)
		}
	case n.mark == nil: // a process may die right after creating it
		if empty, err := r.db.empty(ctx, partial); err != nil {
			return err
		} else if !empty {
			return fmt.Errorf("database %s is in the way, is not empty and has no mark of a restore: rename it", partial)
		}
	}
	return r.admin(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := e.Mine(); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", partial); err != nil {
			return fmt.Errorf("end the sessions of %s: %w", partial, err)
		}
		if err := order(ctx, conn, "drop database if exists %I", partial); err != nil {
			return fmt.Errorf("drop database %s: %w", partial, err)
		}
		return nil
	})
}

// keysOf lists, in order, the keys of either map.
func keysOf(a, b map[string]int64) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]int64{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// inUse reports that a database could not be renamed or dropped as somebody is
// connected to it.
func inUse(err error) bool { return sqlState(err) == "55006" || errors.Is(err, errChanged) }
