package postgres

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/state"
)

func isPartial(name, database string) bool {
	return strings.HasPrefix(name, partialPrefix(database))
}

func (a *backup) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	now, err := a.Observe(ctx)
	if err != nil || len(now[a.id]) > 0 {
		return now, err
	}
	if err := e.Mine(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, fmt.Errorf("backup of %s: %w", a.db, err)
	}
	if err := a.tidy(e.Mine); err != nil {
		return nil, err
	}
	partial, err := os.CreateTemp(a.dir, partialPrefix(a.db.name)+"*") // 0600
	if err != nil {
		return nil, fmt.Errorf("backup of %s: %w", a.db, err)
	}
	defer func() {
		_ = partial.Close()
		_ = os.Remove(partial.Name()) // gone already when all is well
	}()
	if err := a.take(ctx, e, partial); err != nil {
		return nil, fmt.Errorf("backup of %s: %w", a.db, a.db.secret.hide(err))
	}
	// Not what Observe sees: what took longer than fresh is a backup all the same.
	return a.state(true), nil
}

// take makes a whole backup in partial and then gives it its name.
func (a *backup) take(ctx context.Context, e driver.Effect, partial *os.File) error {
	m, err := a.db.dump(ctx, partial, a.p.Rows == nil || *a.p.Rows, a.p.LockTimeout)
	if err != nil {
		return err
	}
	name := dumpName(a.db.name, m.Taken)
	if err := e.Save(ctx, backupCursor{name}); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return publish(m, a.dir, name, partial)
}

// dump writes the database to a file, and reads that back.
func (db *DB) dump(ctx context.Context, to *os.File, rows bool, lockTimeout time.Duration) (*manifest, error) {
	p, err := db.place(ctx)
	if err != nil {
		return nil, err
	}
	c, err := db.client(ctx, p.Major)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, clientRemedy(p.Major))
	}
	m := &manifest{Database: p.Database, Identity: p.ID, Server: p.Version, Dumper: c.version, Taken: time.Now(), Made: p.Made}
	if err := db.dumpRows(ctx, c, to, m, rows, lockTimeout); err != nil {
		return nil, err
	}
	if err := db.readable(ctx, c, to); err != nil {
		return nil, err
	}
	return m, m.measure(ctx, to)
}

// dumpRows writes the dump, and the count of its rows into the manifest, both of
// one moment.
func (db *DB) dumpRows(ctx context.Context, c client, to *os.File, m *manifest, rows bool, lockTimeout time.Duration) error {
	program := program{path: c.dump(), env: db.clientEnv(), out: to, args: []string{
		"--format=custom", "--no-password", fmt.Sprintf("--lock-wait-timeout=%d", lockTimeout.Milliseconds()),
		"--dbname=" + db.conninfo(db.name),
	}}
	if !rows {
		return program.run(ctx, db.secret)
	}
	s, err := db.snapshot(ctx, lockTimeout)
	if err != nil {
		return err
	}
	defer s.end()
	program.args = append(program.args, "--snapshot="+s.name)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return program.run(ctx, db.secret) })
	both.Go(func() (err error) {
		m.Rows, err = countRows(ctx, s.tx, s.tables)
		return err
	})
	return both.Wait()
}

// readable has pg_restore read the whole dump: the table of contents, which --list
// reads, is at its beginning, and says nothing of what is cut off.
func (db *DB) readable(ctx context.Context, c client, dump *os.File) error {
	if _, err := dump.Seek(0, io.SeekStart); err != nil {
		return err
	}
	program := program{path: c.restore(), args: []string{"--file=" + os.DevNull}, env: db.clientEnv(), in: dump}
	if err := program.run(ctx, db.secret); err != nil {
		return fmt.Errorf("the dump cannot be read: %w", err)
	}
	return nil
}

// measure notes what the file must be from now on, and sees it on the disk.
func (m *manifest) measure(ctx context.Context, f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var err error
	if m.SHA256, m.Size, err = disk.Sum(ctx, f); err != nil {
		return fmt.Errorf("the dump: %w", err)
	}
	return f.Sync()
}

// publish gives a dump its name, the manifest first: a dump that is there is
// whole. Its time is the one that its rows are of.
func publish(m *manifest, dir, name string, partial *os.File) error {
	if err := os.Chtimes(partial.Name(), m.Taken, m.Taken); err != nil {
		return err
	}
	if err := m.write(dir, name); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := os.Rename(partial.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}
