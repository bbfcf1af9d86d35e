package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// form is the stream of a COPY, with the settings of exact: another database
// reads it whatever the types there are.
const form = "postgres copy text"

// Form implements driver.BulkSource.
func (s *rowSource) Form() string { return form }

// Fields implements driver.BulkSource.
func (s *rowSource) Fields(ctx context.Context) (fields []string, err error) {
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		fields = nil
		res := conn.PgConn().ExecParams(ctx, "select * from "+s.from+" limit 0", nil, nil, nil, nil)
		for _, f := range res.FieldDescriptions() {
			fields = append(fields, f.Name)
		}
		_, err := res.Close()
		return err
	})
	return fields, err
}

// Dump implements driver.BulkSource. The key must be among the fields.
func (s *rowSource) Dump(ctx context.Context, after driver.Position, fields []string, most int, w io.Writer) (n int64, next driver.Position, err error) {
	where, args, err := s.after(after)
	if err != nil {
		return 0, nil, err
	}
	for i := len(args); i > 0; i-- { // COPY takes no parameters
		where = strings.Replace(where, fmt.Sprintf("$%d", i), literal(string(args[i-1])), 1)
	}
	query := fmt.Sprintf("copy (select %s from %s %s order by %s limit %d) to stdout",
		strings.Join(idents(fields), ", "), s.from, where, strings.Join(idents(s.key), ", "), most)
	last := &lastLine{to: w}
	err = s.session.once(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.PgConn().CopyTo(ctx, last, query)
		n = tag.RowsAffected()
		return err
	})
	if err != nil || n == 0 {
		return 0, after, s.session.db.wrap(err)
	}
	values := bytes.Split(bytes.TrimSuffix(last.line, []byte("\n")), []byte("\t"))
	key := make([]string, len(s.key))
	for i, name := range s.key {
		at := slices.Index(fields, name)
		if at < 0 || at >= len(values) {
			return 0, nil, fmt.Errorf("the last row of %s has no %s", s.from, name)
		}
		key[i] = unescaped(values[at])
	}
	next, err = json.Marshal(key)
	return n, next, err
}

// literal is a text as SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// lastLine remembers the last row: PostgreSQL sends each in a message of its own.
type lastLine struct {
	to   io.Writer
	line []byte
}

func (l *lastLine) Write(p []byte) (int, error) {
	l.line = append(l.line[:0], p...)
	return l.to.Write(p)
}

var escapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unescaped is a value of a COPY as it was.
func unescaped(v []byte) string {
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '\\' && i+1 < len(v) {
			i++
			c = v[i]
			if meant, ok := escapes[c]; ok {
				c = meant
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Form implements driver.BulkSink.
func (s *rowSink) Form() string { return form }

// Load implements driver.BulkSink.
func (s *rowSink) Load(ctx context.Context, mine func() error, fields []string, r io.Reader) (read, changed int64, err error) {
	var columns []column
	for _, name := range fields {
		c, ok := s.table.column(name)
		if !ok {
			return 0, 0, fmt.Errorf("table %s has no column %s that can be written", s.table.name, name)
		}
		columns = append(columns, c)
	}
	in := &lastAsk{r: r, mine: mine}
	err = s.session.once(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := mine(); err != nil {
			return err
		}
		if s.straight {
			if changed, err = s.take(ctx, conn, s.table.name, columns, in); conflicts(err) {
				s.straight = false // somebody writes beside us
			}
			read = in.rows
			return err
		}
		s.columns = columns
		if err := s.stage(ctx, conn); err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := s.take(ctx, conn, stage, columns, in); err != nil {
				return err
			}
			if changed, err = s.put(ctx, tx); err != nil {
				return err
			}
			read = in.rows
			return mine() // the commit follows
		})
	})
	return read, changed, s.session.db.wrap(err)
}

// take copies a stream in. A row without a version is a bad one.
func (s *rowSink) take(ctx context.Context, conn *pgx.Conn, into string, columns []column, in *lastAsk) (int64, error) {
	query := fmt.Sprintf("copy %s (%s) from stdin", into, list(columns, ""))
	if s.shape.Version != "" {
		query += " where " + quote(s.shape.Version) + " is not null"
	}
	tag, err := conn.PgConn().CopyFrom(ctx, in, query)
	if err == nil && tag.RowsAffected() != in.rows {
		err = fmt.Errorf("%d of %d rows have no %s", in.rows-tag.RowsAffected(), in.rows, s.shape.Version)
	}
	return tag.RowsAffected(), err
}

// lastAsk asks whether this process may still write before it lets a stream end:
// then it is committed. It counts rows.
type lastAsk struct {
	r    io.Reader
	mine func() error
	rows int64
}

func (l *lastAsk) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.rows += int64(bytes.Count(p[:n], []byte("\n")))
	if err == io.EOF { //nolint:errorlint // a reader's end is itself
		if no := l.mine(); no != nil {
			return n, no
		}
	}
	return n, err
}
