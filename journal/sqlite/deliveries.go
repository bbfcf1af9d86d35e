package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/segue-run/segue/journal"
)

// Deliver implements journal.Store.
func (s *Store) Deliver(ctx context.Context, d journal.Delivery) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := runOf(ctx, tx, d.Run); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO deliveries (run, key, place, receiver, what, tries, at, next, delivered, error, thread)
			VALUES (?1, ?2, (SELECT coalesce(max(place), 0) + 1 FROM deliveries WHERE run = ?1), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
			ON CONFLICT DO UPDATE SET receiver = ?3, what = ?4, tries = ?5, at = ?6, next = ?7, delivered = ?8, error = ?9, thread = ?10`,
			d.Run, d.Key, d.To, d.What, d.Tries, nanos(d.At), nanos(d.Next), d.Delivered, d.Error, d.Thread)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the delivery %s of run %s: %w", d.Key, d.Run, err)
	}
	return nil
}

// Deliveries implements journal.Reader. A journal of the first version has none.
func (r *Reader) Deliveries(ctx context.Context, run string) ([]journal.Delivery, error) {
	var out []journal.Delivery
	err := r.read(ctx, func(tx *sql.Tx) error {
		if _, err := runOf(ctx, tx, run); err != nil {
			return err
		}
		if has, err := schemaOf(ctx, tx); err != nil || has < 2 {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT key, receiver, what, tries, at, next, delivered, error, thread FROM deliveries WHERE run = ? ORDER BY place", run)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d := journal.Delivery{Run: run}
			var at, next int64
			if err := rows.Scan(&d.Key, &d.To, &d.What, &d.Tries, &at, &next, &d.Delivered, &d.Error, &d.Thread); err != nil {
				return err
			}
			d.At, d.Next = timeOf(at), timeOf(next)
			out = append(out, d)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read the deliveries of run %s: %w", run, err)
	}
	return out, nil
}
