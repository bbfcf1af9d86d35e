package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
)

// Observe implements journal.Store.
func (s *Store) Observe(ctx context.Context, readings []journal.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, `INSERT INTO readings (run, "check", at, data) VALUES (?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer stmt.Close()
		for _, r := range readings {
			if _, err := stmt.ExecContext(ctx, r.Run, r.Check, nanos(r.At), blob(r.Data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d readings: %w", len(readings), err)
	}
	return nil
}

// Readings implements journal.Reader.
func (r *Reader) Readings(ctx context.Context, run, check string, since time.Time) ([]journal.Reading, error) {
	query, args := `SELECT "check", at, data FROM readings WHERE run = ? AND at >= ? ORDER BY at, rowid`, []any{run, nanos(since)}
	if check != "" {
		query, args = `SELECT "check", at, data FROM readings WHERE run = ? AND at >= ? AND "check" = ? ORDER BY at, rowid`, append(args, check)
	}
	var readings []journal.Reading
	err := r.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			reading := journal.Reading{Run: run}
			var at int64
			if err := rows.Scan(&reading.Check, &at, (*[]byte)(&reading.Data)); err != nil {
				return err
			}
			reading.At = timeOf(at)
			readings = append(readings, reading)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the readings of run %s: %w", run, err)
	}
	return readings, nil
}

// Prune implements journal.Store.
func (s *Store) Prune(ctx context.Context, run string, before time.Time) (int64, error) {
	var n int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "DELETE FROM readings WHERE run = ? AND at < ?", run, nanos(before))
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("prune the readings of run %s: %w", run, err)
	}
	return n, nil
}
