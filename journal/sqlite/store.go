package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/segue-run/segue/journal"
)

// File is the journal's name in its state directory.
const File = "journal.db"

// busyTimeout is how long a write waits for another process's. A write takes
// milliseconds; whoever needs longer is stopped or stuck, and the caller, who
// has a lease to think of, decides: journal.ErrBusy.
const busyTimeout = 5 * time.Second

// busyRound is how long SQLite itself waits. It looks ever more seldom, soon
// every 100 ms, and beside a process that writes without a pause it then never
// finds the moment between two writes; so a write asks anew, round by round.
const busyRound = 25 * time.Millisecond

var (
	_ journal.Store  = (*Store)(nil)
	_ journal.Reader = (*Reader)(nil)
)

// A Reader reads a journal, also while others write it, and cannot change it.
type Reader struct {
	path string
	ro   *sql.DB
}

// A Store reads and writes a journal.
type Store struct {
	*Reader
	w        *sql.DB // one connection
	patience time.Duration
}

// Open opens the journal in the state directory dir and makes both if they are
// missing. A damaged file is refused with *journal.CorruptError, one from the
// future with journal.ErrNewer; neither is changed.
func Open(ctx context.Context, dir string) (*Store, error) {
	dir, err := filepath.Abs(dir) // an URL has no other paths
	if err != nil {
		return nil, err
	}
	if err := create(ctx, dir); err != nil {
		return nil, err
	}
	r, err := OpenReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := open(r.path, readWrite)
	w.SetMaxOpenConns(1)
	w.SetMaxIdleConns(1)
	if err := w.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s for writing: %w", r.path, r.failure(err)), w.Close(), r.Close())
	}
	s := &Store{Reader: r, w: w, patience: busyTimeout}
	if has, err := schemaOf(ctx, r.ro); err == nil && has < version {
		if err := s.upgrade(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("bring %s to this version of segue: %w", r.path, err), s.Close())
		}
	}
	return s, nil
}

// OpenReadOnly opens the journal in dir for reading. The error wraps
// fs.ErrNotExist when there is none.
func OpenReadOnly(ctx context.Context, dir string) (*Reader, error) {
	path, err := filepath.Abs(filepath.Join(dir, File))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no journal in %s, so nothing was run with this state directory: %w", dir, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("open the journal: %w", err)
	case info.Size() == 0:
		return nil, &journal.CorruptError{Path: path, Problem: "the file is empty", Saved: "nothing can be saved"}
	}
	r := &Reader{path: path, ro: open(path, readOnly)}
	r.ro.SetMaxIdleConns(4)
	if err := checkSchema(ctx, r.ro); err != nil {
		err = r.failure(err)
		r.ro.Close()
		var corrupt *journal.CorruptError
		if errors.As(err, &corrupt) {
			corrupt.Saved = saved(ctx, path)
			return nil, corrupt
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return r, nil
}

// Close closes the journal's connections for reading.
func (r *Reader) Close() error { return r.ro.Close() }

// Close closes the journal. The last process to do so folds the write-ahead
// log into the file.
func (s *Store) Close() error { return errors.Join(s.Reader.Close(), s.w.Close()) }

type mode string

const (
	readOnly  mode = "ro"
	readWrite mode = "rw"
)

// open prepares connections to path; it does not touch the file yet.
func open(path string, m mode) *sql.DB {
	q := url.Values{
		"mode":    {string(m)},
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"synchronous(FULL)",
			// After a stuck reader let go, the log shrinks again.
			"journal_size_limit(67108864)",
		},
	}
	if m == readWrite {
		q["_pragma"][0] = fmt.Sprintf("busy_timeout(%d)", busyRound.Milliseconds())
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil { // only when the driver is not linked in
		panic(err)
	}
	return db
}

// write runs fn in a transaction that holds the write lock from its start.
func (s *Store) write(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.begin(ctx)
	if err != nil {
		return s.failure(err)
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // a full disk or the context has done it already
		return s.failure(ended(ctx, err))
	}
	if err = tx.Commit(); errors.Is(err, sql.ErrTxDone) {
		err = ended(ctx, err) // which rolled back
	}
	return s.failure(err)
}

// begin waits until no other process writes.
func (s *Store) begin(ctx context.Context) (*sql.Tx, error) {
	late := time.Now().Add(s.patience)
	for {
		tx, err := s.w.BeginTx(ctx, nil)
		if code(err)&0xff != sqlite3.SQLITE_BUSY || time.Now().After(late) {
			return tx, err
		}
	}
}

// read runs fn on one unchanging view of the journal.
func (r *Reader) read(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := r.ro.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return r.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // it only read
	return r.failure(ended(ctx, fn(tx)))
}

// ended is the context's error instead of what came of it: database/sql says
// in many ways that a transaction is over.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
