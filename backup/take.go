package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/state"
)

// Apply implements driver.Action.
func (b *bundling) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	now, err := b.Observe(ctx)
	if err != nil || len(now[b.id]) > 0 {
		return now, err
	}
	if err := e.Mine(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.shelf.dir, 0o700); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := b.shelf.tidy(e.Mine); err != nil {
		return nil, err
	}
	if err := e.Mine(); err != nil {
		return nil, err
	}
	partial, err := os.MkdirTemp(b.shelf.dir, b.shelf.partial())
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }() // gone already when all is well
	made, err := b.take(ctx, e, partial)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := b.retain(ctx, e, made); err != nil {
		return nil, fmt.Errorf("bundle %s is whole, and older ones stay: %w", made.Dir, err)
	}
	// Not what Observe sees: what took longer than fresh is a bundle all the same.
	return b.state(true), nil
}

// take makes a whole bundle in partial and then gives it its name.
func (b *bundling) take(ctx context.Context, e driver.Effect, partial string) (cursor, error) {
	m := &manifest{Segue: version, Name: b.shelf.name, Taken: time.Now(), By: build(), Parts: map[string]driver.Dump{}, Copies: map[string]copied{}}
	if err := b.dump(ctx, partial, m); err != nil {
		return cursor{}, err
	}
	for i, path := range b.copies() {
		name := fmt.Sprintf("files/%03d-%s", i+1, filepath.Base(path))
		if path == b.p.Journal {
			name = journalName
		}
		if err := b.copyFile(ctx, path, filepath.Join(partial, name), path == b.p.Journal, m, name); err != nil {
			return cursor{}, fmt.Errorf("file %s: %w", path, err)
		}
	}
	for _, part := range m.Parts {
		if part.Taken.Before(m.Taken) {
			m.Taken = part.Taken
		}
	}
	m.Made = time.Now()
	m.Host, _ = os.Hostname() // for people
	if err := m.sum(ctx, partial); err != nil {
		return cursor{}, err
	}
	if err := m.write(partial, b.shelf.key); err != nil {
		return cursor{}, err
	}
	name := b.shelf.name + "-" + m.Taken.UTC().Format(takenForm)
	made := cursor{Dir: name, Says: b.says()}
	if err := e.Save(ctx, made); err != nil {
		return cursor{}, err
	}
	if err := ctx.Err(); err != nil {
		return cursor{}, err
	}
	if err := e.Mine(); err != nil {
		return cursor{}, err
	}
	if err := os.Rename(partial, filepath.Join(b.shelf.dir, name)); err != nil {
		return cursor{}, err
	}
	return made, disk.SyncDir(b.shelf.dir)
}

// journalName is where the journal is in a bundle: its directory is one that
// segue report --state-dir reads.
const journalName = "journal/journal.db"

// build is Segue's version, as far as it is known.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return strings.TrimSpace(info.Main.Version + " " + info.GoVersion)
}

// says is what goes into the bundle, for people.
func (b *bundling) says() []string {
	var out []string
	for _, via := range b.p.Of {
		out = append(out, via.String())
	}
	return append(out, b.copies()...)
}

// dump has all connections dump, at a time, so that their moments are near.
func (b *bundling) dump(ctx context.Context, dir string, m *manifest) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, via := range b.p.Of {
		g.Go(func() error {
			conn, err := via.Open(ctx)
			if err != nil {
				return err
			}
			own := filepath.Join(dir, via.String())
			if err := os.Mkdir(own, 0o700); err != nil {
				return err
			}
			d, err := conn.Dump(ctx, own)
			if err != nil {
				return fmt.Errorf("%s: %w", via, err)
			}
			mu.Lock()
			defer mu.Unlock()
			m.Parts[via.String()] = d
			return nil
		})
	}
	return g.Wait()
}

func (b *bundling) copyFile(ctx context.Context, from, to string, journal bool, m *manifest, name string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no file")
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	m.Copies[name] = copied{from, info.Mode().Perm(), journal}
	if journal {
		return b.copy(ctx, from, to)
	}
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = w.ReadFrom(disk.Heeding(ctx, r))
	return errors.Join(err, w.Close())
}
