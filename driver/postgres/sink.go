package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// rowSink writes records to a table. A batch is one transaction: it goes by COPY
// into a temporary table, and from there into the table where it is not there,
// or older. While nothing was in the table at first, COPY goes straight into it.
type rowSink struct {
	table    table
	resource driver.Resource
	shape    driver.Shape
	columns  []column // that are written: the shape's, or those that records had so far
	straight bool
	touched  bool     // triggers may change what is written
	staged   []column // of the temporary table; nil: there is none
	session  *lasting
}

// Sink implements driver.RecordWriter.
func (db *DB) Sink(ctx context.Context, place driver.Place, shape driver.Shape) (driver.RecordSink, error) {
	p, err := driver.Placed[writeParams](place)
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
	t, err := db.table(ctx, p.Table)
	if err != nil {
		return nil, err
	}
	s := &rowSink{
		table: t, shape: shape, resource: driver.Resource{ID: id + "/table/" + t.name, Name: "table " + t.name + " of " + db.String()},
		session: &lasting{db: db, set: exact()},
	}
	s.session.then = func(context.Context, *pgx.Conn) error { s.staged = nil; return nil }
	if err := s.fits(db); err != nil {
		return nil, err
	}
	err = db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		// Of a trigger's type the bits 1, 2, 4 and 16 are: a row's, before, insert, update.
		return tx.QueryRow(ctx, "select not exists (select from "+t.name+`), exists (select from pg_trigger
			where tgrelid = $1 and not tgisinternal and tgenabled in ('O', 'A') and tgtype & 3 = 3 and tgtype & 20 <> 0)`, t.oid).Scan(&s.straight, &s.touched)
	})
	if err != nil {
		return nil, fmt.Errorf("look whether %s is empty, and has triggers: %w", t.name, err)
	}
	s.touched = s.touched && shape.Version != ""
	s.straight = s.straight && !s.touched
	return s, nil
}

// fits refuses what the table cannot hold.
func (s *rowSink) fits(db *DB) error {
	refuse := func(remedy, reason string, args ...any) error {
		return &driver.Refusal{System: db.String(), Reason: fmt.Sprintf(reason, args...), Remedy: remedy}
	}
	for _, name := range slices.Concat(s.shape.Key, s.shape.Fields, []string{s.shape.Version}) {
		if _, ok := s.table.column(name); name != "" && !ok {
			return refuse("map onto one of "+strings.Join(s.table.names(), ", "), "table %s has no column %s that can be written", s.table.name, name)
		}
	}
	if !s.table.has(s.shape.Key) {
		return refuse("create one, or give as key the columns of one that there is",
			"table %s has no unique index on %s, so nothing keeps one record from being there twice", s.table.name, strings.Join(s.shape.Key, ", "))
	}
	for _, name := range s.shape.Fields {
		c, _ := s.table.column(name)
		s.columns = append(s.columns, c)
	}
	return nil
}

// Resource implements driver.RecordSink.
func (s *rowSink) Resource() driver.Resource { return s.resource }

// Close implements driver.RecordSink.
func (s *rowSink) Close() error { return s.session.Close() }

// Write implements driver.RecordSink.
func (s *rowSink) Write(ctx context.Context, mine func() error, batch driver.Batch) (driver.Written, error) {
	out := driver.Written{Refused: map[int]driver.BadRecord{}}
	s.widen(batch.Records, out.Refused)
	var left []int // indexes of records that are not refused
	for i := range batch.Records {
		if _, refused := out.Refused[i]; !refused {
			left = append(left, i)
		}
	}
	err := s.write(ctx, mine, batch.Records, left, &out)
	if err != nil {
		return out, fmt.Errorf("write %d records to %s: %w", len(batch.Records), s.resource.Name, err)
	}
	return out, nil
}

// widen takes up the columns of fields that no record had so far.
func (s *rowSink) widen(records []driver.Record, refused map[int]driver.BadRecord) {
	if s.shape.Fields != nil {
		return
	}
	for i, r := range records {
		for name := range r {
			if slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name }) {
				continue
			}
			c, ok := s.table.column(name)
			if !ok {
				refused[i] = driver.BadRecord{Record: r, Field: name, Reason: "table " + s.table.name + " has no such column that can be written"}
				continue
			}
			s.columns = append(s.columns, c)
		}
	}
}

// write writes the records of these indexes; when the table does not take them
// all, it finds those that it does not take, by halves.
func (s *rowSink) write(ctx context.Context, mine func() error, records []driver.Record, which []int, out *driver.Written) error {
	for len(which) > 0 {
		changed, err := s.transact(ctx, mine, records, which)
		if err == nil {
			out.Changed += changed
			return nil
		}
		bad, at := refusal(err, len(which))
		switch {
		case bad == nil:
			return err
		case at < 0 && len(which) > 1:
			half := len(which) / 2
			if err := s.write(ctx, mine, records, which[:half], out); err != nil {
				return err
			}
			which = which[half:]
			continue
		case at < 0:
			at = 0
		}
		bad.Record = records[which[at]]
		out.Refused[which[at]] = *bad
		which = slices.Delete(slices.Clone(which), at, at+1)
	}
	return nil
}

// transact writes records in one transaction. To repeat it is safe.
func (s *rowSink) transact(ctx context.Context, mine func() error, records []driver.Record, which []int) (changed int64, err error) {
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if s.straight {
			changed, err = s.insert(ctx, conn, mine, records, which)
			if !conflicts(err) {
				return err
			}
			s.straight = false // somebody writes beside us
		}
		changed, err = s.upsert(ctx, conn, mine, records, which)
		return err
	})
	return changed, err
}

// insert copies straight into the table.
func (s *rowSink) insert(ctx context.Context, conn *pgx.Conn, mine func() error, records []driver.Record, which []int) (int64, error) {
	if err := mine(); err != nil {
		return 0, err
	}
	return s.copy(ctx, conn, s.table.name, s.columns, records, which)
}

// upsert copies into the temporary table, and from there into the table.
func (s *rowSink) upsert(ctx context.Context, conn *pgx.Conn, mine func() error, records []driver.Record, which []int) (changed int64, err error) {
	if err := s.stage(ctx, conn); err != nil {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := s.copy(ctx, conn, stage, s.columns, records, which); err != nil {
			return err
		}
		if err := mine(); err != nil {
			return err
		}
		if changed, err = s.put(ctx, tx); err != nil {
			return err
		}
		return mine() // the commit follows
	})
	return changed, err
}

const stage = "pg_temp.segue_records"

// stage makes the temporary table, which is empty after each transaction.
func (s *rowSink) stage(ctx context.Context, conn *pgx.Conn) error {
	if s.staged != nil && slices.Equal(s.staged, s.columns) {
		return nil
	}
	s.staged = nil
	_, err := conn.PgConn().Exec(ctx, fmt.Sprintf(`set client_min_messages = warning; drop table if exists %s;
		create temp table segue_records on commit delete rows as select %s from %s with no data`, stage, list(s.columns, ""), s.table.name)).ReadAll()
	if err != nil {
		return fmt.Errorf("make a temporary table: %w", err)
	}
	s.staged = slices.Clone(s.columns)
	return nil
}

// merge is the statement that puts what is new or newer into the table.
func (s *rowSink) merge() string {
	var set, differ []string
	for _, c := range s.columns {
		if name := quote(c.name); !slices.Contains(s.shape.Key, c.name) {
			set = append(set, name+" = excluded."+name)
			differ = append(differ, name)
		}
	}
	sql := fmt.Sprintf("insert into %s as t (%s) select %s from %s on conflict (%s)", s.table.name,
		list(s.columns, ""), list(s.columns, ""), stage, strings.Join(idents(s.shape.Key), ", "))
	// A version that is part of the key is that of what is there: nothing is newer.
	// So who writes to a table that is only appended to needs no right to update.
	if len(set) == 0 || slices.Contains(s.shape.Key, s.shape.Version) {
		return sql + " do nothing"
	}
	newer := fmt.Sprintf("(t.%s) is distinct from (excluded.%s)", strings.Join(differ, ", t."), strings.Join(differ, ", excluded."))
	if v := s.shape.Version; v != "" {
		name := quote(v)
		newer = fmt.Sprintf("t.%s is null or excluded.%s > t.%s", name, name, name)
	}
	return sql + " do update set " + strings.Join(set, ", ") + " where " + newer
}

func list(columns []column, prefix string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = prefix + quote(c.name)
	}
	return strings.Join(names, ", ")
}

// copy sends records by COPY. An error names the line that is to blame.
func (s *rowSink) copy(ctx context.Context, conn *pgx.Conn, into string, columns []column, records []driver.Record, which []int) (int64, error) {
	var text []byte
	var err error
	for line, i := range which {
		for j, c := range columns {
			if j > 0 {
				text = append(text, '\t')
			}
			if text, err = appendText(text, records[i][c.name], c); err != nil {
				return 0, &lineError{line, c.name, err}
			}
		}
		text = append(text, '\n')
	}
	tag, err := conn.PgConn().CopyFrom(ctx, strings.NewReader(string(text)), fmt.Sprintf("copy %s (%s) from stdin", into, list(columns, "")))
	return tag.RowsAffected(), err
}

// Delete implements driver.RecordSink.
func (s *rowSink) Delete(ctx context.Context, mine func() error, keys []driver.Record) (deleted int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	named := slices.Clone(s.shape.Key)
	if s.shape.Version != "" {
		named = append(named, s.shape.Version)
	}
	var columns []column
	for _, name := range named {
		c, _ := s.table.column(name)
		columns = append(columns, c)
	}
	which := make([]int, len(keys))
	for i := range which {
		which[i] = i
	}
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		s.staged = nil
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := conn.PgConn().Exec(ctx, fmt.Sprintf(`set client_min_messages = warning; drop table if exists %s;
				create temp table segue_records on commit drop as select %s from %s with no data`, stage, list(columns, ""), s.table.name)).ReadAll()
			if err != nil {
				return fmt.Errorf("make a temporary table: %w", err)
			}
			if _, err := s.copy(ctx, conn, stage, columns, keys, which); err != nil {
				return err
			}
			if err := mine(); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, s.strike())
			if err != nil {
				return err
			}
			deleted = tag.RowsAffected()
			return mine() // the commit follows
		})
	})
	if err != nil {
		return 0, fmt.Errorf("delete %d records from %s: %w", len(keys), s.resource.Name, err)
	}
	return deleted, nil
}

// strike is the statement that deletes what the temporary table names.
func (s *rowSink) strike() string {
	var same []string
	for _, k := range idents(s.shape.Key) {
		same = append(same, "t."+k+" = s."+k)
	}
	sql := fmt.Sprintf("delete from %s t using %s s where %s", s.table.name, stage, strings.Join(same, " and "))
	if s.shape.Version != "" {
		v := quote(s.shape.Version)
		sql += fmt.Sprintf(" and (s.%s is null or t.%s is null or t.%s <= s.%s)", v, v, v, v)
	}
	return sql
}
