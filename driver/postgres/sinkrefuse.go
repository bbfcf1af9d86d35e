package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// A lineError is one of our own about a line of COPY.
type lineError struct {
	line   int
	column string
	err    error
}

func (e *lineError) Error() string { return fmt.Sprintf("column %s: %v", e.column, e.err) }
func (e *lineError) Unwrap() error { return e.err }

var copyLine = regexp.MustCompile(`^COPY \S+, line (\d+)(?:, column ([^:]+))?`)

// refusal reads of an error that some record cannot be taken as it is; nil where
// it says nothing of that kind. at is which of the n records that were sent it
// is, or -1 where the error does not say.
func refusal(err error, n int) (bad *driver.BadRecord, at int) {
	if own, ok := errors.AsType[*lineError](err); ok {
		return &driver.BadRecord{Field: own.column, Reason: own.err.Error()}, own.line
	}
	said, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !aboutData(said.Code) {
		return nil, -1
	}
	bad = &driver.BadRecord{Field: said.ColumnName, Reason: said.Message}
	m := copyLine.FindStringSubmatch(said.Where)
	if m == nil {
		return bad, -1
	}
	line, err := strconv.Atoi(m[1])
	if err != nil || line < 1 || line > n {
		return bad, -1
	}
	if bad.Field == "" {
		bad.Field = m[2]
	}
	return bad, line - 1
}

// aboutData reports whether an error says that the data are wrong: of a type, of
// a constraint, of a trigger or a check of the table's own.
func aboutData(code string) bool {
	switch code[:2] {
	case "22", "23", "44", "P0":
		return true
	}
	return false
}

// conflicts reports that a record is there already.
func conflicts(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && said.Code == "23505"
}
