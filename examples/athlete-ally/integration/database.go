package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const uniqueViolation = "23505"

// oneRowPerKey tries in transactions that are rolled back.
func oneRowPerKey(ctx context.Context, p *probe) error {
	name := p.name()
	for _, insert := range []string{
		"INSERT INTO hrv_data (user_id, date, rmssd, ln_rmssd, captured_at) VALUES ($1, '2025-10-01', 42, 3.7377, now())",
		"INSERT INTO vendor_events (event_id, vendor, user_id, event_type, received_at) VALUES ($1, 'oura', $1, 'daily_sleep', now())",
	} {
		err := await(ctx, func(ctx context.Context) error { return refusedTwice(ctx, p, insert, name) })
		if err != nil {
			return err
		}
	}
	return nil
}

func refusedTwice(ctx context.Context, p *probe, insert, name string) error {
	tx, err := p.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // it may be over: nothing stays either way
	if _, err := tx.Exec(ctx, insert, name); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insert, name)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return final("%s takes a second row of one key", strings.Fields(insert)[2])
	case errors.As(err, &pg) && pg.Code == uniqueViolation:
		return nil
	case errors.Is(err, pgx.ErrTxClosed):
		return err
	}
	return fmt.Errorf("a second row of one key: %w, want SQLSTATE %s", err, uniqueViolation)
}
