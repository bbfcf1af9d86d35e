package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
)

// Create implements journal.Store.
func (s *Store) Create(ctx context.Context, run, name string, at time.Time, first []journal.Record) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		c := genesis(run)
		_, err := tx.ExecContext(ctx, `INSERT INTO runs (run, name, created, last_seq, last_at, head) VALUES (?, ?, ?, 0, ?, ?)
			ON CONFLICT DO NOTHING`, run, name, nanos(at), nanos(at), c.sum[:])
		if err != nil {
			return err
		}
		var made bool
		if err := tx.QueryRowContext(ctx, "SELECT changes() = 1").Scan(&made); err != nil {
			return err
		}
		if !made {
			return journal.ErrExists
		}
		return insert(ctx, tx, run, c, 0, 0, at, first)
	})
	if err != nil {
		return fmt.Errorf("create run %s: %w", run, err)
	}
	return nil
}

// Append implements journal.Store.
func (s *Store) Append(ctx context.Context, l journal.Lease, now time.Time, lastSeq int64, records []journal.Record) (int64, error) {
	err := s.write(ctx, func(tx *sql.Tx) error {
		row, err := writable(ctx, tx, l, now)
		switch {
		case err != nil:
			return err
		case row.final:
			return journal.ErrFinal
		case row.lastSeq != lastSeq:
			return fmt.Errorf("%w: to %d, not %d", journal.ErrSequence, row.lastSeq, lastSeq)
		}
		return insert(ctx, tx, l.Run, after(row.head), lastSeq, l.Epoch, now, records)
	})
	if err != nil {
		return 0, fmt.Errorf("append to run %s after %d: %w", l.Run, lastSeq, err)
	}
	return lastSeq + int64(len(records)), nil
}

// Finish implements journal.Store.
func (s *Store) Finish(ctx context.Context, l journal.Lease, now time.Time) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := writable(ctx, tx, l, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE runs SET final = 1 WHERE run = ?", l.Run); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM claims WHERE run = ?", l.Run)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish run %s: %w", l.Run, err)
	}
	return nil
}

// insert stores records after last and moves the run's head to them.
func insert(ctx context.Context, tx *sql.Tx, run string, c *chain, last, epoch int64, now time.Time, records []journal.Record) error {
	if len(records) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO records (run, seq, at, epoch, type, v, data, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer stmt.Close()
	var at time.Time
	for _, r := range records {
		last++
		r.Seq, r.Epoch = last, epoch
		if r.At.IsZero() {
			r.At = now
		}
		at = r.At
		c.add(r)
		if _, err := stmt.ExecContext(ctx, run, r.Seq, nanos(r.At), r.Epoch, r.Type, r.Version, blob(r.Data), c.sum[:]); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "UPDATE runs SET last_seq = ?, last_at = ?, head = ? WHERE run = ?", last, nanos(at), c.sum[:], run)
	return err
}

// blob keeps an absent document from becoming NULL.
func blob(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// A runRow is what writing needs to know of a run.
type runRow struct {
	lastSeq, epoch, leaseUntil int64
	holder                     string
	head                       []byte
	final                      bool
}

func runOf(ctx context.Context, tx *sql.Tx, run string) (runRow, error) {
	var r runRow
	err := tx.QueryRowContext(ctx, "SELECT last_seq, epoch, lease_until, holder, head, final FROM runs WHERE run = ?", run).
		Scan(&r.lastSeq, &r.epoch, &r.leaseUntil, &r.holder, &r.head, &r.final)
	if errors.Is(err, sql.ErrNoRows) {
		return r, notFound(ctx, tx, run)
	}
	return r, err
}

// notFound tells a run that never was from one whose row is damaged.
func notFound(ctx context.Context, tx *sql.Tx, run string) error {
	var left bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM records WHERE run = ?)", run).Scan(&left)
	switch {
	case err != nil:
		return err
	case left:
		return errRowLost
	}
	return journal.ErrNotFound
}

// writable returns the run that l may write at now, or says why it may not.
func writable(ctx context.Context, tx *sql.Tx, l journal.Lease, now time.Time) (runRow, error) {
	r, err := runOf(ctx, tx, l.Run)
	if err != nil {
		return r, err
	}
	return r, r.lost(l, now)
}

// lost says how the lease was lost, if it was.
func (r runRow) lost(l journal.Lease, now time.Time) error {
	switch {
	case r.epoch != l.Epoch && r.holder != "":
		return fmt.Errorf("%w: %s took it (epoch %d, not %d)", journal.ErrLeaseLost, r.holder, r.epoch, l.Epoch)
	case r.epoch != l.Epoch || r.holder == "":
		return fmt.Errorf("%w: it was released", journal.ErrLeaseLost)
	case !now.Before(timeOf(r.leaseUntil)):
		return fmt.Errorf("%w: it expired at %s", journal.ErrLeaseLost, timeOf(r.leaseUntil).Format(time.RFC3339))
	}
	return nil
}
