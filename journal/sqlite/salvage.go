package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/segue-run/segue/journal"
)

// RunRecords is what could be read of a run: its records from the first on
// without a gap, each verified.
type RunRecords struct {
	Run     string
	Name    string // "" when it could not be read
	Records []journal.Record
	// Lost says what ended the reading; "" when the run is whole.
	Lost string
}

// Salvage reads what can be read of a damaged journal. It works on a copy and
// leaves path and its log as they are. No Store on path may be open in this
// process. Runs of which nothing is left are not returned.
func Salvage(ctx context.Context, path string) ([]RunRecords, error) {
	dir, err := os.MkdirTemp("", "segue-salvage-*")
	if err != nil {
		return nil, fmt.Errorf("salvage %s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	runs, err := salvage(ctx, path, filepath.Join(dir, File))
	if err != nil {
		return nil, fmt.Errorf("salvage %s: %w", path, err)
	}
	return runs, nil
}

func salvage(ctx context.Context, path, scratch string) ([]RunRecords, error) {
	if err := copyFile(path, scratch); err != nil {
		return nil, err
	}
	// The log holds what was not yet folded in; without one there is less.
	if err := copyFile(path+"-wal", scratch+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	db := open(scratch, readWrite)
	defer db.Close()
	db.SetMaxOpenConns(1) // the pragma is the connection's
	// Makes SQLite read a file that is shorter than it says.
	if _, err := db.ExecContext(ctx, "PRAGMA writable_schema = ON"); err != nil {
		return nil, err
	}
	names := named(ctx, db)
	ids, listErr := listed(ctx, db, names)
	runs := make([]RunRecords, 0, len(ids))
	for _, id := range ids {
		r := RunRecords{Run: id, Name: names[id]}
		r.read(ctx, db)
		if len(r.Records) > 0 {
			runs = append(runs, r)
		}
	}
	if len(runs) == 0 && listErr != nil {
		return nil, listErr
	}
	return runs, nil
}

// named reads the names of the runs, as far as it gets.
func named(ctx context.Context, db *sql.DB) map[string]string {
	names := map[string]string{}
	rows, err := db.QueryContext(ctx, "SELECT run, name FROM runs NOT INDEXED")
	if err != nil {
		return names
	}
	defer rows.Close()
	for rows.Next() {
		var run, name string
		if rows.Scan(&run, &name) == nil {
			names[run] = name
		}
	}
	return names
}

// listed finds the runs that have records, and adds those that are only named.
func listed(ctx context.Context, db *sql.DB, names map[string]string) ([]string, error) {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	last, lastErr := "", error(nil)
	for {
		var id string
		err := db.QueryRowContext(ctx, "SELECT run FROM records WHERE run > ? ORDER BY run LIMIT 1", last).Scan(&id)
		if err != nil {
			if !errors.Is(err, sql.ErrNoRows) {
				lastErr = err
			}
			break
		}
		add(id)
		last = id
	}
	for id := range names {
		add(id)
	}
	return ids, lastErr
}

// read fills r until the first record that cannot be trusted.
func (r *RunRecords) read(ctx context.Context, db *sql.DB) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		r.Lost = err.Error()
		return
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	const all = 1 << 62
	problem, err := scan(ctx, tx, r.Run, 0, all, genesis(r.Run), func(rec journal.Record) { r.Records = append(r.Records, rec) })
	next := len(r.Records) + 1
	if err != nil {
		r.Lost = fmt.Sprintf("record %d and what follows: %v", next, err)
		return
	}
	row, err := runOf(ctx, tx, r.Run)
	switch {
	case err != nil:
		r.Lost = fmt.Sprintf("whether record %d was the last: %v", next-1, err)
	case row.lastSeq != int64(len(r.Records)):
		r.Lost = fmt.Sprintf("records %d to %d: record %d %s", next, row.lastSeq, next, problem)
	}
}

// saved says in a sentence what Salvage would give.
func saved(path string) string {
	runs, err := Salvage(context.Background(), path)
	if err != nil || len(runs) == 0 {
		return "nothing in it can be read"
	}
	parts := make([]string, len(runs))
	for i, r := range runs {
		parts[i] = fmt.Sprintf("records 1 to %d of run %s", len(r.Records), r.Run)
	}
	return strings.Join(parts, ", ") + " can be salvaged"
}

func copyFile(from, to string) error {
	src, err := os.Open(from) //nolint:gosec // the journal's path
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) //nolint:gosec // ours
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}
