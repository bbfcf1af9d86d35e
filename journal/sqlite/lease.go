package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/segue-run/segue/journal"
)

// Acquire implements journal.Store.
func (s *Store) Acquire(ctx context.Context, run, holder string, now time.Time, ttl time.Duration) (journal.Lease, error) {
	l := journal.Lease{Run: run, Holder: holder, Expires: now.Add(ttl).UTC()}
	err := s.write(ctx, func(tx *sql.Tx) error {
		row, err := runOf(ctx, tx, run)
		switch {
		case err != nil:
			return err
		case row.final:
			return journal.ErrFinal
		case row.holder != "" && row.holder != holder && now.Before(timeOf(row.leaseUntil)):
			return &journal.HeldError{Holder: row.holder, Epoch: row.epoch, Expires: timeOf(row.leaseUntil)}
		}
		l.Epoch = row.epoch + 1
		_, err = tx.ExecContext(ctx, "UPDATE runs SET epoch = ?, holder = ?, lease_until = ? WHERE run = ?",
			l.Epoch, l.Holder, nanos(l.Expires), run)
		return err
	})
	if err != nil {
		return journal.Lease{}, fmt.Errorf("take the lease of run %s: %w", run, err)
	}
	return l, nil
}

// Renew implements journal.Store.
func (s *Store) Renew(ctx context.Context, l journal.Lease, now time.Time, ttl time.Duration) (journal.Lease, error) {
	l.Expires = now.Add(ttl).UTC()
	err := s.write(ctx, func(tx *sql.Tx) error {
		if _, err := writable(ctx, tx, l, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE runs SET lease_until = ? WHERE run = ?", nanos(l.Expires), l.Run)
		return err
	})
	if err != nil {
		return journal.Lease{}, fmt.Errorf("renew the lease of run %s: %w", l.Run, err)
	}
	return l, nil
}

// Release implements journal.Store.
func (s *Store) Release(ctx context.Context, l journal.Lease) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE runs SET holder = '', lease_until = 0 WHERE run = ? AND epoch = ?", l.Run, l.Epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("release the lease of run %s: %w", l.Run, err)
	}
	return nil
}
