package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
)

// Undo takes the change back, or keeps it when that would delete what holds
// counts.
func (c *change) Undo(ctx context.Context, e driver.Effect) error {
	if err := c.change(ctx, e, "undo", c.p.Undo, e.Before); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

// refuseLoss counts what undo would delete, so that nothing can arrive
// between the count and the undo: it tries undo to learn which tables that
// locks, takes it back, locks just these, and counts then.
func (c *change) refuseLoss(ctx context.Context, tx pgx.Tx) error {
	const locked = `select distinct relation from pg_locks
		where pid = pg_backend_pid() and locktype = 'relation' and mode = 'AccessExclusiveLock' and relation >= 16384`
	if _, err := tx.Exec(ctx, "savepoint trial"); err != nil {
		return fmt.Errorf("try undo: %w", err)
	}
	if err := run(ctx, tx, "undo", c.p.Undo); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, locked)
	if err != nil {
		return fmt.Errorf("see what undo locks: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return fmt.Errorf("see what undo locks: %w", err)
	}
	if _, err := tx.Exec(ctx, "rollback to savepoint trial"); err != nil {
		return fmt.Errorf("take the trial of undo back: %w", err)
	}
	rows, err = tx.Query(ctx, `select oid::regclass::text from pg_class where oid = any($1) and relkind in ('r', 'p')`, ids)
	if err != nil {
		return fmt.Errorf("name what undo locks: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("name what undo locks: %w", err)
	}
	if len(tables) > 0 {
		if _, err := tx.Exec(ctx, "lock table "+strings.Join(tables, ", ")+" in access exclusive mode"); err != nil {
			return fmt.Errorf("lock what undo changes: %w", err)
		}
	}
	var count int64
	if err := tx.QueryRow(ctx, c.p.Holds).Scan(&count); err != nil {
		return fmt.Errorf("count what undo would delete: %w", err)
	}
	if count == 0 {
		return nil
	}
	return &driver.Kept{
		What:   "the change of " + c.db.String() + " by " + c.p.Do,
		Cost:   fmt.Sprintf("%d rows that taking it back would delete", count),
		Hint:   "once nobody needs them: " + c.p.Undo,
		Fields: map[string][]string{c.id: {"value"}},
	}
}
