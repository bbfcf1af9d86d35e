package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/segue-run/segue/journal"
)

// Verify reads the whole journal: that the file is well formed, and each
// record of each run as it was written. It takes as long as reading all.
func (r *Reader) Verify(ctx context.Context) error {
	err := r.read(ctx, func(tx *sql.Tx) error {
		var found string
		if err := tx.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return &journal.CorruptError{Path: r.path, Problem: found, Saved: "whole records of each run may still be read by salvage"}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("verify the journal: %w", err)
	}
	runs, err := r.everyRun(ctx)
	if err != nil {
		return err
	}
	const batch = 10_000
	for _, run := range runs {
		for after := int64(0); ; after += batch {
			records, err := r.Read(ctx, run, after, batch)
			if err != nil {
				return err
			}
			if len(records) < batch {
				break
			}
		}
	}
	return nil
}

// everyRun also finds runs that are no longer listed but have records.
func (r *Reader) everyRun(ctx context.Context) ([]string, error) {
	var runs []string
	err := r.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT run FROM runs UNION SELECT run FROM records")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var run string
			if err := rows.Scan(&run); err != nil {
				return err
			}
			runs = append(runs, run)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs: %w", err)
	}
	return runs, nil
}
