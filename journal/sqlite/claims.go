package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/segue-run/segue/journal"
)

// Claim implements journal.Store.
func (s *Store) Claim(ctx context.Context, run string, resources []string) error {
	ids, err := journal.CanonicalResources(resources)
	if err == nil {
		err = s.write(ctx, func(tx *sql.Tx) error {
			if row, err := runOf(ctx, tx, run); err == nil && row.final {
				return journal.ErrFinal
			} else if err != nil && !errors.Is(err, journal.ErrNotFound) {
				return err
			}
			for _, id := range ids {
				if err := claim(ctx, tx, run, id); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("claim for run %s: %w", run, err)
	}
	return nil
}

func claim(ctx context.Context, tx *sql.Tx, run, id string) error {
	// What contains it: each of its prefixes, itself the longest.
	for i := 0; i <= len(id); i++ {
		if i < len(id) && id[i] != '/' {
			continue
		}
		if err := heldByOther(ctx, tx, "SELECT resource, run FROM claims WHERE resource = ? AND run <> ?", id[:i], run); err != nil {
			return err
		}
	}
	// What lies in it: all between "id/" and "id0", as '0' follows '/'.
	err := heldByOther(ctx, tx, "SELECT resource, run FROM claims WHERE resource > ? AND resource < ? AND run <> ? ORDER BY resource LIMIT 1",
		id+"/", id+"0", run)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO claims (resource, run) VALUES (?, ?) ON CONFLICT DO NOTHING", id, run)
	return err
}

// heldByOther fails with whom the query finds.
func heldByOther(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	var held journal.ClaimedError
	err := tx.QueryRowContext(ctx, query, args...).Scan(&held.Resource, &held.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return &held
}

// Unclaim implements journal.Store.
func (s *Store) Unclaim(ctx context.Context, run string) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM claims WHERE run = ?", run)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop the claims of run %s: %w", run, err)
	}
	return nil
}

// Claims implements journal.Reader.
func (r *Reader) Claims(ctx context.Context, run string) ([]string, error) {
	var ids []string
	err := r.read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT resource FROM claims WHERE run = ? ORDER BY resource", run)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the claims of run %s: %w", run, err)
	}
	return ids, nil
}
