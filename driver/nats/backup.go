package nats

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/jsm.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// backup takes a snapshot of a stream. Each one is a directory of its own,
// <to>/<stream>-<time>, that appears whole or not at all. It owns that there
// is a whole one that is younger than fresh, and shows it only then: a backup
// that grows old is nobody's drift.
type backup struct {
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
	Fresh     *time.Duration `param:"fresh" default:"10m" doc:"a backup that is younger is good enough: none is taken"`
}

func newBackup(_ context.Context, c *Conn, p backupParams) (driver.Action, error) {
	dir, err := realPath(p.To)
	if err != nil {
		return nil, fmt.Errorf("backup of stream %s: %w", p.Stream, err)
	}
	return &backup{c: c, p: p, dir: dir, id: "file:" + filepath.Join(dir, p.Stream)}, nil
}

// realPath follows links in the part of a path that exists.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	parent := filepath.Dir(abs)
	if parent == abs {
		return abs, nil
	}
	real, err := realPath(parent)
	return filepath.Join(real, filepath.Base(abs)), err
}

func (a *backup) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "backups of stream " + a.p.Stream + " in " + a.dir}}
}

func (a *backup) fresh() time.Duration {
	if a.p.Fresh != nil {
		return *a.p.Fresh
	}
	return 10 * time.Minute
}

func (a *backup) Observe(context.Context) (state.State, error) {
	m, _, err := newest(a.dir, a.p.Stream)
	if err != nil {
		return nil, err
	}
	return a.state(m != nil && m.Cluster == a.c.cluster && m.Account == a.c.account && time.Since(m.Taken) < a.fresh()), nil
}

func (a *backup) state(present bool) state.State {
	if !present {
		return state.State{a.id: {}}
	}
	return state.State{a.id: {"backup": compact(true)}}
}

func (a *backup) Plan(state.State) (state.State, error) { return a.state(true), nil }

func (a *backup) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
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
	// What a killed process left half-done.
	if left, err := filepath.Glob(filepath.Join(a.dir, ".partial-"+a.p.Stream+"-*")); err == nil {
		for _, dir := range left {
			_ = os.RemoveAll(dir)
		}
	}
	partial, err := os.MkdirTemp(a.dir, ".partial-"+a.p.Stream+"-")
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
	return a.Observe(ctx)
}

// take makes a whole backup in partial and then gives it its name.
func (a *backup) take(ctx context.Context, e driver.Effect, partial string) error {
	m, err := a.snapshot(ctx, partial)
	if err != nil {
		return err
	}
	if err := m.write(partial); err != nil {
		return err
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Join(a.dir, a.p.Stream+"-"+m.Taken.UTC().Format("20060102T150405.000Z")))
}

func (a *backup) snapshot(ctx context.Context, dir string) (*manifest, error) {
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("there is no stream %s", a.p.Stream)
	}
	timeout := callTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(end))
	}
	mgr, err := jsm.New(a.c.nc, jsm.WithTimeout(timeout))
	if err != nil {
		return nil, err
	}
	stream, err := mgr.LoadStream(a.p.Stream)
	if err != nil {
		return nil, err
	}
	opts := []jsm.SnapshotOption{jsm.SnapshotHealthCheck()}
	if a.p.Consumers == nil || *a.p.Consumers {
		opts = append(opts, jsm.SnapshotConsumers())
	}
	taken := time.Now()
	if _, err := stream.SnapshotToDirectory(ctx, dir, opts...); err != nil {
		return nil, err
	}
	return &manifest{
		Cluster: a.c.cluster, Account: a.c.account, Stream: a.p.Stream, Taken: taken,
		Messages: info.State.Messages, LastSeq: info.State.LastSeq,
	}, nil
}

// Undo leaves the backup: it is a copy, and data.
func (a *backup) Undo(_ context.Context, e driver.Effect) error {
	m, dir, err := newest(a.dir, a.p.Stream)
	if err != nil || m == nil || len(e.Before[a.id]) > 0 {
		return err
	}
	if err := e.Mine(); err != nil { // it is for whoever holds the lease to report
		return err
	}
	return &driver.Kept{
		What:   "backup " + dir,
		Cost:   fmt.Sprintf("a copy of the %d messages that stream %s held; it is in nobody's way", m.Messages, a.p.Stream),
		Hint:   "rm -r " + dir,
		Fields: map[string][]string{a.id: {"*"}},
	}
}
