package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
)

// Runs implements journal.Reader.
func (r *Reader) Runs(ctx context.Context, now time.Time) ([]journal.Summary, error) {
	var runs []journal.Summary
	err := r.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT run, name, created, last_seq, last_at, final, iif(lease_until > ?, holder, '')
			FROM runs ORDER BY created DESC, run DESC`, nanos(now))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s journal.Summary
			var created, last int64
			if err := rows.Scan(&s.Run, &s.Name, &created, &s.LastSeq, &last, &s.Final, &s.Holder); err != nil {
				return err
			}
			s.Created, s.Last = timeOf(created), timeOf(last)
			runs = append(runs, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	return runs, nil
}

// Read implements journal.Reader. It verifies each record it returns, and that
// none is missing.
func (r *Reader) Read(ctx context.Context, run string, after int64, limit int) ([]journal.Record, error) {
	var records []journal.Record
	err := r.read(ctx, func(tx *sql.Tx) error {
		var err error
		records, err = r.records(ctx, tx, run, max(after, 0), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", run, err)
	}
	return records, nil
}

func (r *Reader) records(ctx context.Context, tx *sql.Tx, run string, from int64, limit int) ([]journal.Record, error) {
	row, err := runOf(ctx, tx, run)
	if err != nil {
		return nil, err
	}
	want := row.lastSeq - from
	if want <= 0 {
		return nil, nil
	}
	if limit > 0 {
		want = min(want, int64(limit))
	}
	c, err := chainAt(ctx, tx, run, from)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, r.broken(run, from, "is missing")
	}
	if err != nil {
		return nil, err
	}
	records := make([]journal.Record, 0, want)
	problem, err := scan(ctx, tx, run, from, want, c, func(rec journal.Record) { records = append(records, rec) })
	switch last := from + int64(len(records)); {
	case err != nil:
		return nil, err
	case problem != "":
		return nil, r.broken(run, last+1, problem)
	case last == row.lastSeq && !bytes.Equal(c.sum[:], row.head):
		return nil, r.broken(run, last, "is not the one that was written")
	}
	return records, nil
}

// chainAt is the chain after record seq.
func chainAt(ctx context.Context, tx *sql.Tx, run string, seq int64) (*chain, error) {
	if seq == 0 {
		return genesis(run), nil
	}
	var sum []byte
	err := tx.QueryRowContext(ctx, "SELECT sum FROM records WHERE run = ? AND seq = ?", run, seq).Scan(&sum)
	return after(sum), err
}

// scan yields the n records after seq from, one after the other, until one is
// not as it was written: problem says how, the record not yielded is it.
func scan(ctx context.Context, tx *sql.Tx, run string, from, n int64, c *chain, yield func(journal.Record)) (problem string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, at, epoch, type, v, data, sum FROM records WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?", run, from, n)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var (
		at        int64
		data, sum sql.RawBytes
		slab      slab
		names     = interned{}
		typ       sql.RawBytes
	)
	for ; n > 0; n-- {
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return "", err
			}
			return "is missing", nil
		}
		var rec journal.Record
		if err := rows.Scan(&rec.Seq, &at, &rec.Epoch, &typ, &rec.Version, &data, &sum); err != nil {
			return "", err
		}
		from++
		if rec.Seq != from {
			return "is missing", nil
		}
		rec.At, rec.Type, rec.Data = timeOf(at), names.of(typ), slab.copy(data)
		c.add(rec)
		if !bytes.Equal(c.sum[:], sum) {
			return "does not match its checksum", nil
		}
		yield(rec)
	}
	return "", nil
}

// broken is the damage at a record, with what comes before it.
func (r *Reader) broken(run string, seq int64, problem string) error {
	saved := fmt.Sprintf("its records 1 to %d can be read", seq-1)
	if seq <= 1 {
		saved = "none of its records can be read"
	}
	return &journal.CorruptError{Path: r.path, Problem: fmt.Sprintf("record %d of run %s %s", seq, run, problem), Saved: saved}
}
