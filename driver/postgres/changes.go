package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// change takes up one change.
func (f *following) change(ctx context.Context, data []byte) error {
	m, err := f.decoder.decode(data)
	if err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	switch m.kind {
	case 'B':
		f.within = true
	case 'C':
		f.within, f.next = false, max(f.next, m.end)
	case 'T':
		return fmt.Errorf("%w: %s was truncated: what that deleted must be deleted by hand where it was brought to, and this step be taken anew", errAnswer, f.s.from)
	case 'I', 'U', 'D':
		if err := f.add(m); err != nil {
			return fmt.Errorf("%w: %w", errAnswer, err)
		}
	}
	if len(f.pending) >= followMost {
		return f.handOver(ctx)
	}
	return nil
}

func (f *following) add(m message) error {
	if m.old != nil {
		key, err := m.rel.keyed(*m.old, f.s.key)
		if err != nil {
			return err
		}
		f.pending = append(f.pending, driver.Change{Record: key, Gone: true})
	}
	if m.kind == 'D' {
		return nil
	}
	record, whole, err := m.rel.record(m.now)
	if err != nil {
		return err
	}
	if !whole {
		f.partial = append(f.partial, len(f.pending))
	}
	f.pending = append(f.pending, driver.Change{Record: record})
	return nil
}

// handOver hands over what has come.
func (f *following) handOver(ctx context.Context) error {
	var fresh time.Time
	if !f.within && f.end > 0 && f.next >= f.end {
		fresh, f.end = f.ended, 0
	}
	if len(f.pending) == 0 && fresh.IsZero() {
		return nil
	}
	if err := f.complete(ctx); err != nil {
		return err
	}
	changes := driver.Changes{Changes: f.pending, Fresh: fresh}
	if !f.within {
		changes.Next = position(lsnText(f.next))
	}
	f.pending = nil
	kept, err := f.take(changes)
	if err != nil {
		f.taken = err
		return err
	}
	if kept != nil {
		if f.kept, err = lsnOf(kept); err != nil {
			return err
		}
	}
	return nil
}

// complete reads again the rows of which the log does not tell all: they are
// then as new or newer. One that is gone by now, the log will say so.
func (f *following) complete(ctx context.Context) error {
	for _, i := range f.partial {
		values := make([]string, len(f.s.key))
		args := make([][]byte, len(f.s.key))
		for j, name := range idents(f.s.key) {
			values[j] = fmt.Sprintf("%s = $%d", name, j+1)
			args[j] = []byte(fmt.Sprint(f.pending[i].Record[f.s.key[j]]))
		}
		query := "select * from " + f.s.from + " where " + strings.Join(values, " and ")
		err := f.s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			res := conn.PgConn().ExecParams(ctx, query, args, nil, nil, nil).Read()
			if res.Err != nil {
				return res.Err
			}
			if len(res.Rows) == 0 {
				key := driver.Record{}
				for _, name := range f.s.key {
					key[name] = f.pending[i].Record[name]
				}
				f.pending[i] = driver.Change{Record: key, Gone: true}
				return nil
			}
			record, bad := rowReader{res.FieldDescriptions}.record(res.Rows[0])
			if bad != nil {
				return fmt.Errorf("%w: column %s: %s", errAnswer, bad.Field, bad.Reason)
			}
			f.pending[i].Record = record
			return nil
		})
		if err != nil {
			return err
		}
	}
	f.partial = nil
	return nil
}
