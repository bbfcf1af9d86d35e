package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/segue-run/segue/journal"
)

// errRowLost: there are records of a run that is not in the list of runs.
var errRowLost = errors.New("the run has records but is not listed")

// failure says an error of SQLite in the journal's words.
func (r *Reader) failure(err error) error {
	if err == nil {
		return nil
	}
	var known *journal.CorruptError
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, errForeign) || errors.Is(err, errRowLost) || damaged(err) {
		return &journal.CorruptError{
			Path:    r.path,
			Problem: problem(err),
			Saved:   "whole records of each run may still be read by salvage",
		}
	}
	return translate(err)
}

// translate does the same where no file can be blamed.
func translate(err error) error {
	switch code := code(err); {
	case code&0xff == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE, errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	case code&0xff == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: %w", journal.ErrBusy, err)
	case code&0xff == sqlite3.SQLITE_INTERRUPT:
		return context.Canceled
	case err != nil && strings.Contains(err.Error(), "sql: database is closed"):
		return journal.ErrClosed // database/sql has no value for it
	}
	return err
}

// damaged reports whether SQLite found the file's structure broken.
func damaged(err error) bool {
	switch code := code(err); code & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	case sqlite3.SQLITE_IOERR:
		return code == sqlite3.SQLITE_IOERR_SHORT_READ
	}
	// A page of the schema that reads as something else.
	return err != nil && strings.Contains(err.Error(), "no such table")
}

func problem(err error) string {
	if code(err)&0xff == sqlite3.SQLITE_NOTADB {
		return "its first page is not that of a journal"
	}
	return err.Error()
}

func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
