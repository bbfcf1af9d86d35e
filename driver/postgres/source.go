package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// sourcePage is how many rows are read at a time where the runbook does not say.
const sourcePage = 2000

// rowSource reads the rows of a table or query in the order of their key, a page
// in a transaction: nothing of the database is held up between two pages.
type rowSource struct {
	id      string
	from    string // what to select from, quoted
	table   table  // the zero value: it is a query
	key     []string
	session *lasting
	late    late
}

// Source implements driver.RecordReader.
func (db *DB) Source(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	p, err := driver.Placed[readParams](place)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("records of %s: %w", db, err)
	}
	id, err := db.ID(ctx)
	if err != nil {
		return nil, err
	}
	s := &rowSource{key: p.Key, session: db.reading()}
	if p.Query != "" {
		s.id, s.from = id+"/query/"+digest(p.Query), "("+strings.TrimRight(strings.TrimSpace(p.Query), ";")+") q"
		return s, nil
	}
	t, err := db.table(ctx, p.Table)
	if err != nil {
		return nil, err
	}
	if len(s.key) == 0 {
		s.key = t.key
	}
	if !t.has(s.key) {
		return nil, &driver.Refusal{
			System: db.String(), Reason: fmt.Sprintf("table %s has no unique index on %s, so its rows have no order to be read in", t.name, orNothing(s.key)),
			Remedy: "give as key the columns of one that it has, or create one",
		}
	}
	s.id, s.from, s.table = id+"/table/"+t.name, t.name, t
	return s, nil
}

// Kept implements driver.RecordKeeper.
func (db *DB) Kept(ctx context.Context, place driver.Place) (driver.RecordSource, error) {
	return db.Source(ctx, place) // both name a table
}

func orNothing(columns []string) string {
	if len(columns) == 0 {
		return "its primary key, which it has not"
	}
	return strings.Join(columns, ", ")
}

// reading is a session that changes nothing.
func (db *DB) reading() *lasting {
	set := exact()
	set["default_transaction_read_only"] = "on"
	return &lasting{db: db, set: set}
}

// ID implements driver.RecordSource.
func (s *rowSource) ID() string { return s.id }

// Close implements driver.RecordSource.
func (s *rowSource) Close() error { return s.session.Close() }

// Count implements driver.RecordSource.
func (s *rowSource) Count(ctx context.Context) (n int64, known bool, err error) {
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select count(*) from "+s.from).Scan(&n)
	})
	return n, err == nil, err
}

// Read implements driver.RecordSource.
func (s *rowSource) Read(ctx context.Context, after driver.Position, size int, take func(driver.Page) error) error {
	if size <= 0 {
		size = sourcePage
	}
	for {
		page, n, err := s.page(ctx, after, size)
		if err != nil {
			return fmt.Errorf("read %s: %w", s.from, err)
		}
		if n == 0 {
			return nil
		}
		if err := take(page); err != nil {
			return err
		}
		after = page.Next
	}
}

// page reads the rows after a position, which is the key of one, as text.
func (s *rowSource) page(ctx context.Context, after driver.Position, size int) (page driver.Page, n int, err error) {
	columns := strings.Join(idents(s.key), ", ")
	where, args, err := s.after(after)
	if err != nil {
		return page, 0, err
	}
	query := fmt.Sprintf("select * from %s %s order by %s limit %d", s.from, where, columns, size)
	began := time.Now()
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		page, n = driver.Page{}, 0
		res := conn.PgConn().ExecParams(ctx, query, args, nil, nil, nil)
		rows := rowReader{fields: res.FieldDescriptions()}
		var last [][]byte
		for res.NextRow() {
			values := res.Values()
			if n++; n == 1 {
				page.Took = time.Since(began)
			}
			record, bad := rows.record(values)
			if bad != nil {
				page.Bad = append(page.Bad, *bad)
			} else {
				page.Records = append(page.Records, record)
			}
			last = values
			if page.Next, err = s.position(rows.fields, last); err != nil {
				res.Close() //nolint:errcheck // the error that counts is the first
				return err
			}
		}
		_, err := res.Close()
		return err
	})
	return page, n, err
}

// after is the condition that rows come after a position.
func (s *rowSource) after(at driver.Position) (where string, args [][]byte, err error) {
	if at == nil {
		return "", nil, nil
	}
	var key []string
	if err := json.Unmarshal(at, &key); err != nil || len(key) != len(s.key) {
		return "", nil, fmt.Errorf("%w: the position %s is no key of %s", errAnswer, at, strings.Join(s.key, ", "))
	}
	places := make([]string, len(key))
	for i, k := range key {
		places[i] = fmt.Sprintf("$%d", i+1)
		args = append(args, []byte(k))
	}
	return fmt.Sprintf("where (%s) > (%s)", strings.Join(idents(s.key), ", "), strings.Join(places, ", ")), args, nil
}

func (s *rowSource) position(fields []pgconn.FieldDescription, values [][]byte) (driver.Position, error) {
	key := make([]string, len(s.key))
	for i, name := range s.key {
		found := false
		for j, f := range fields {
			if f.Name == name && values[j] != nil {
				key[i], found = string(values[j]), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: a row has no %s, by which records are told apart", errAnswer, name)
		}
	}
	return json.Marshal(key)
}
