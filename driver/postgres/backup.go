package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// backup dumps the connection's database into a file, <to>/<database>-<time>.dump,
// that appears whole, with a manifest beside it, or not at all. It owns that
// there is a whole one that is younger than fresh, and shows it only then: a
// backup that grows old is nobody's drift.
type backup struct {
	db  *DB
	p   backupParams
	dir string // the real path of to
	id  string
}

type backupParams struct {
	On          string         `param:"on,required,connection"`
	To          string         `param:"to,required" doc:"The directory that backups are in; it is made when it is missing."`
	Fresh       *time.Duration `param:"fresh" default:"10m" doc:"A backup that is younger is good enough: none is taken."`
	Format      string         `param:"format" enum:"custom" default:"custom" doc:"The format of pg_dump."`
	Rows        *bool          `param:"rows" default:"true" doc:"Counts each table's rows as they are in the dump, so that a restore is proved by them."`
	LockTimeout time.Duration  `param:"lock-timeout" default:"30s" doc:"How long it may wait for a table that somebody has locked against readers."`
}

// Validate implements what types cannot say.
func (p backupParams) Validate() error {
	switch {
	case p.To == "":
		return &runbook.FieldError{Field: "to", Problem: "there is no directory", Remedy: "name the one that backups are to be in"}
	case p.Fresh != nil && *p.Fresh < 0:
		return &runbook.FieldError{Field: "fresh", Problem: "no backup is younger than that", Remedy: "give 0s to take one each time"}
	case p.LockTimeout < 0:
		return &runbook.FieldError{Field: "lock-timeout", Problem: "a wait is not below zero", Remedy: "leave it out for 30s"}
	}
	return nil
}

func backupAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.backup", On: kind,
		Doc: "Dumps the database into a directory, proved readable, with a manifest and checksum. Writers go on; ALTER TABLE waits. For large ones give the step a timeout.",
	}, newBackup)
}

func newBackup(_ context.Context, db *DB, p backupParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	dir, err := disk.Real(p.To)
	if err != nil {
		return nil, fmt.Errorf("backup of %s: %w", db, err)
	}
	if p.LockTimeout == 0 {
		p.LockTimeout = 30 * time.Second
	}
	return &backup{db: db, p: p, dir: dir, id: backupsID(dir, db.name)}, nil
}

// backupsID is the identity of a database's backups in a directory.
func backupsID(dir, database string) string {
	return "file:" + filepath.Join(dir, fileName(database))
}

func (a *backup) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "backups of database " + a.db.name + " in " + a.dir}}
}

func (a *backup) fresh() time.Duration {
	if a.p.Fresh != nil {
		return *a.p.Fresh
	}
	return 10 * time.Minute
}

func (a *backup) Observe(ctx context.Context) (state.State, error) {
	id, err := a.db.ID(ctx)
	if err != nil {
		return nil, err
	}
	names, err := dumps(a.dir, a.db.name)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		m, err := readManifest(a.dir, name)
		if err != nil || m.Identity != id || time.Until(m.Taken) > time.Minute { // by a clock that is wrong
			continue
		}
		if time.Since(m.Taken) >= a.fresh() {
			break // the others are older, and not worth summing up
		}
		if _, err := whole(ctx, a.dir, name, &a.db.sums); err == nil {
			return a.state(true), nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look whether backup %s is whole: %w", name, context.Cause(ctx))
		}
	}
	return a.state(false), nil
}

func (a *backup) state(present bool) state.State {
	if !present {
		return state.State{a.id: {}}
	}
	return state.State{a.id: {"backup": json.RawMessage("true")}}
}

// Survey reads whether there is a pg_dump for the server.
func (a *backup) Survey(ctx context.Context) (state.State, error) {
	p, err := a.db.place(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.db.tools(ctx, p.Major)
	if err != nil {
		return nil, err
	}
	return state.Of(a.id, t), nil
}

// tools is what a survey finds of client programs.
type tools struct {
	None   string `json:"no-client,omitempty"` // why there are none
	Remedy string `json:"no-client-remedy,omitempty"`
}

func (db *DB) tools(ctx context.Context, major int) (tools, error) {
	_, err := db.client(ctx, major)
	switch {
	case err == nil:
		return tools{}, nil
	case ctx.Err() != nil:
		return tools{}, fmt.Errorf("look for pg_dump and pg_restore: %w", context.Cause(ctx))
	}
	return tools{err.Error(), clientRemedy(major)}, nil
}

func (t tools) refusal(db *DB) error {
	if t.None == "" {
		return nil
	}
	return &driver.Refusal{System: db.String(), Reason: t.None, Remedy: t.Remedy}
}

// Plan plans without knowing the programs.
func (a *backup) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{})
}

// PlanAmong refuses a backup that no program could take.
func (a *backup) PlanAmong(before, others state.State) (state.State, error) {
	var t tools
	if _, err := others.Decode(a.id, &t); err != nil {
		return nil, err
	}
	if err := t.refusal(a.db); err != nil && len(before[a.id]) == 0 {
		return nil, err
	}
	return a.state(true), nil
}

// backupCursor names the file that is about to appear.
type backupCursor struct {
	File string `json:"file"`
}

// Undo leaves the backup: it is a copy, and data. What is half-done goes.
func (a *backup) Undo(_ context.Context, e driver.Effect) error {
	if len(e.Before[a.id]) > 0 {
		return nil
	}
	if err := a.tidy(e.Mine); err != nil {
		return err
	}
	var c backupCursor
	if len(e.Cursor) == 0 {
		return nil
	}
	if err := json.Unmarshal(e.Cursor, &c); err != nil {
		return fmt.Errorf("read the cursor of the backup: %w", err)
	}
	path := filepath.Join(a.dir, c.File)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look for the backup: %w", err)
	}
	if err := e.Mine(); err != nil { // it is for whoever holds the lease to report
		return err
	}
	return &driver.Kept{
		What:   "backup " + path,
		Cost:   "a copy of database " + a.db.name + " as it was; it is in nobody's way",
		Hint:   "rm " + path + " " + path + manifestEnding,
		Fields: map[string][]string{a.id: {"*"}},
	}
}

// tidy removes what a killed process left half-done.
func (a *backup) tidy(mine func() error) error {
	entries, err := os.ReadDir(a.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for what is left of backups: %w", err)
	}
	for _, e := range entries {
		if !isPartial(e.Name(), a.db.name) {
			continue
		}
		if err := mine(); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(a.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what is left of a backup: %w", err)
		}
	}
	return nil
}
