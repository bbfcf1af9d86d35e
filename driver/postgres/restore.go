package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// restore makes a database of a backup, beside the one that was backed up. A
// new one is filled under another name and renamed when it is proved, so that
// it appears whole; one that exists and is empty is filled in one transaction.
type restore struct {
	db    *DB
	p     restoreParams
	dir   string // the real path of from
	from  driver.Dumps
	place place
	id    string
}

type restoreParams struct {
	On     string `param:"on,required,connection"`
	From   string `param:"from,required" doc:"The directory that postgres.backup writes to."`
	Backup string `param:"backup" doc:"The name of the file in it; the newest whole one of the connection's database otherwise."`
	Into   string `param:"into,required" doc:"The database to restore into, on the same server. It must not exist, or be empty."`
}

// maxName is PostgreSQL's: a longer name is cut off without a word.
const maxName = 63

// Validate implements what types cannot say.
func (p restoreParams) Validate() error {
	switch {
	case p.From == "":
		return &runbook.FieldError{Field: "from", Problem: "there is no directory", Remedy: "name the one that postgres.backup writes to"}
	case p.Backup != "" && (p.Backup != filepath.Base(p.Backup) || !strings.HasSuffix(p.Backup, dumpEnding)) && !strings.Contains(p.Backup, "${"):
		return &runbook.FieldError{Field: "backup", Problem: fmt.Sprintf("%q is not the name of a backup's file", p.Backup), Remedy: "give the name alone, as it is in from: app-20260102T150405.000Z.dump"}
	case p.Into == "":
		return &runbook.FieldError{Field: "into", Problem: "there is no name", Remedy: "name a database that does not exist yet"}
	case len(p.Into) > maxName && !strings.Contains(p.Into, "${"):
		return &runbook.FieldError{Field: "into", Problem: fmt.Sprintf("the name has %d bytes, and PostgreSQL cuts off what goes beyond %d", len(p.Into), maxName), Remedy: "take a shorter one"}
	case strings.ContainsRune(p.Into, 0) || !utf8.ValidString(p.Into):
		return &runbook.FieldError{Field: "into", Problem: "the name is not text", Remedy: "take letters, digits and underscores"}
	case slices.Contains([]string{"postgres", "template0", "template1"}, p.Into):
		return &runbook.FieldError{Field: "into", Problem: p.Into + " is the server's own", Remedy: "name a database that does not exist yet"}
	}
	return nil
}

func restoreAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "postgres.restore", On: kind,
		Doc: "Restores a backup into another database of the same server, which appears whole, and proves it by the number of each table's rows. For large ones give the step a timeout.",
	}, newRestore)
}

func newRestore(ctx context.Context, db *DB, p restoreParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	dir, err := disk.Real(p.From)
	if err != nil {
		return nil, fmt.Errorf("restore into %s: %w", p.Into, err)
	}
	at, err := db.place(ctx)
	if err != nil {
		return nil, err
	}
	one := driver.Dumps{
		Dir: dir, Good: func(context.Context) (string, error) { return dir, nil },
		All: func() ([]string, error) { return []string{dir}, nil },
	}
	return &restore{db: db, p: p, dir: dir, from: one, place: at, id: at.beside(p.Into)}, nil
}

var _ driver.Restorer = (*DB)(nil)

// Restoring implements driver.Restorer.
func (db *DB) Restoring(ctx context.Context, from driver.Dumps, into string) (driver.Action, error) {
	p := restoreParams{From: from.Dir, Into: into}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	at, err := db.place(ctx)
	if err != nil {
		return nil, err
	}
	return &restore{db: db, p: p, dir: from.Dir, from: from, place: at, id: at.beside(into)}, nil
}

func (r *restore) Resources() []driver.Resource {
	return []driver.Resource{{ID: r.id, Name: "database " + r.p.Into + " beside " + r.db.String()}}
}

// partial is the name of the database while it is half-made.
func (r *restore) partial() string {
	sum := sha256.Sum256([]byte(r.p.Into))
	name := r.p.Into
	for len(name) > 40 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name + ".partial-" + hex.EncodeToString(sum[:4])
}

// restored is what the action owns of the database.
type restored struct {
	Database string           `json:"database"` // absent, empty, restored or occupied
	Backup   string           `json:"backup,omitempty"`
	SHA256   string           `json:"sha256,omitempty"`
	Rows     map[string]int64 `json:"rows,omitempty"` // of each table, right after
}

const (
	absent     = "absent"
	isEmpty    = "empty"
	isRestored = "restored"
	occupied   = "occupied"
)

func (r *restore) Observe(ctx context.Context) (state.State, error) {
	now, _, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return state.Of(r.id, now), nil
}

func (r *restore) look(ctx context.Context) (restored, neighbour, error) {
	n, err := r.db.neighbour(ctx, r.p.Into)
	if err != nil {
		return restored{}, n, err
	}
	switch m := n.mark; {
	case !n.there:
		return restored{Database: absent}, n, nil
	case m != nil && m.Restored != "":
		return restored{isRestored, m.Restored, m.SHA256, m.Rows}, n, nil
	case m != nil: // not restored yet, as a dead process was about to do
		return restored{Database: isEmpty}, n, nil
	case !n.open:
		return restored{Database: occupied}, n, nil
	}
	empty, err := r.db.empty(ctx, r.p.Into)
	if err != nil {
		return restored{}, n, err
	}
	if empty {
		return restored{Database: isEmpty}, n, nil
	}
	return restored{Database: occupied}, n, nil
}

func (r *restore) decode(s state.State) (restored, error) {
	var out restored
	_, err := s.Decode(r.id, &out)
	return out, err
}
