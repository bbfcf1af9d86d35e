package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// backupAction takes a snapshot of a stream. Each one is a directory of its own,
// <to>/<stream>-<time>, that appears whole or not at all. It owns that there
// is a whole one that is younger than fresh, and shows it only then: a backup
// that grows old is nobody's drift.
type backupAction struct {
	c   *Conn
	p   backupParams
	dir string // the real path of to
	id  string
}

type backupParams struct {
	On        string         `param:"on,required,connection"`
	Stream    string         `param:"stream,required"`
	To        string         `param:"to,required" doc:"the directory that backups are in; it is made when it is missing"`
	Consumers *bool          `param:"consumers" default:"true" doc:"with the state of its consumers"`
	Fresh     *time.Duration `param:"fresh" default:"10m" doc:"a backup that is younger is good enough: none is taken; 0s: always a new one"`
}

func (p backupParams) Validate() error {
	if p.Fresh != nil && *p.Fresh < 0 {
		return &runbook.FieldError{Field: "fresh", Problem: "no backup is that young", Remedy: "write 0s for a new one each time"}
	}
	return validStream("stream", p.Stream)
}

func newBackup(_ context.Context, c *Conn, p backupParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	dir, err := disk.Real(p.To)
	if err != nil {
		return nil, fmt.Errorf("backup of stream %s: %w", p.Stream, err)
	}
	return &backupAction{c: c, p: p, dir: dir, id: backupID(dir, p.Stream)}, nil
}

// backupID is the identity of a stream's backups in a directory.
func backupID(dir, stream string) string { return "file:" + filepath.Join(dir, stream) }

func (a *backupAction) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "backups of stream " + a.p.Stream + " in " + a.dir}}
}

func (a *backupAction) fresh() time.Duration {
	if a.p.Fresh != nil {
		return *a.p.Fresh
	}
	return 10 * time.Minute
}

func (a *backupAction) Observe(ctx context.Context) (state.State, error) {
	b, _, err := newest(ctx, a.dir, a.p.Stream, func(m *manifest) bool {
		return a.c.own(m) && time.Since(m.Taken) < a.fresh() && !(a.consumers() && m.NoConsumers)
	})
	if err != nil {
		return nil, err
	}
	return a.state(b != nil), nil
}

// own reports whether a backup is of this cluster and this account.
func (c *Conn) own(m *manifest) bool { return m.Cluster == c.cluster && m.Account == c.account }

func (a *backupAction) consumers() bool { return a.p.Consumers == nil || *a.p.Consumers }

func (a *backupAction) state(present bool) state.State {
	if !present {
		return state.State{a.id: {}}
	}
	return state.State{a.id: {"backup": compact(true)}}
}

func (a *backupAction) Plan(state.State) (state.State, error) { return a.state(true), nil }

func (a *backupAction) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	now, err := a.Observe(ctx)
	if err != nil || len(now[a.id]) > 0 {
		return now, err
	}
	if err := e.Mine(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return nil, fmt.Errorf("backup of stream %s: %w", a.p.Stream, err)
	}
	a.tidy()
	partial, err := os.MkdirTemp(a.dir, a.partial())
	if err != nil {
		return nil, fmt.Errorf("backup of stream %s: %w", a.p.Stream, err)
	}
	done := make(chan error, 1)
	// jsm.go does not heed ctx in its first request: then it is left behind,
	// and what it wrote with it.
	go func() {
		defer func() { _ = os.RemoveAll(partial) }() // gone already when all is well
		done <- a.take(ctx, e, partial)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: backup of stream %s: %w", a.c, a.p.Stream, err)
	}
	return a.state(true), nil
}

// partial is how names of backups begin that are not whole yet.
func (a *backupAction) partial() string { return ".partial-" + a.p.Stream + "-" }

// tidy removes what a killed process left half-done. What follows the beginning
// of such a name is a number: a stream's name may begin with another's.
func (a *backupAction) tidy() {
	entries, err := os.ReadDir(a.dir)
	if err != nil {
		return // taking the backup will say why
	}
	for _, e := range entries {
		if number, ours := strings.CutPrefix(e.Name(), a.partial()); ours && strings.Trim(number, "0123456789") == "" {
			_ = os.RemoveAll(filepath.Join(a.dir, e.Name()))
		}
	}
}

// take makes a whole backup in partial and then gives it its name.
func (a *backupAction) take(ctx context.Context, e driver.Effect, partial string) error {
	m, err := a.c.snapshot(ctx, a.p.Stream, partial, a.consumers())
	if err != nil {
		return err
	}
	if err := m.write(ctx, partial); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	name := m.name()
	if err := e.Save(ctx, backupCursor{name, m.Messages}); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := os.Rename(partial, filepath.Join(a.dir, name)); err != nil {
		return err
	}
	return disk.SyncDir(a.dir)
}

// backupCursor names the directory that is about to appear.
type backupCursor struct {
	Dir      string `json:"dir"`
	Messages uint64 `json:"messages"`
}

// Undo leaves the backup that this step took: it is a copy, and data. What is
// half-done goes.
func (a *backupAction) Undo(_ context.Context, e driver.Effect) error {
	if len(e.Before[a.id]) > 0 {
		return nil
	}
	if err := e.Mine(); err != nil {
		return err
	}
	a.tidy()
	if e.Cursor == nil {
		return nil
	}
	var cur backupCursor
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of nats.backup: %w", err)
	}
	dir := filepath.Join(a.dir, cur.Dir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the backup: %w", err)
	}
	return &driver.Kept{
		What:   "backup " + dir,
		Cost:   fmt.Sprintf("a copy of the %d messages that stream %s held; it is in nobody's way", cur.Messages, a.p.Stream),
		Hint:   "rm -r " + dir,
		Fields: map[string][]string{a.id: {"*"}},
	}
}
