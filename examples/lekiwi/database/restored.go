package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Damaged is what the database is called once a restored one has taken its place.
const Damaged = "lekiwi_damaged"

// replayed are the tables that a restored database takes over from the damaged
// one. What else there is follows from them, or from the edge's log.
var replayed = []string{"events", "teleoperation_sessions", "migration_phases", "sync_status"}

// ErrMissing: the restored database has not all that was committed to the damaged
// one.
var ErrMissing = errors.New("not all that was committed is there")

// IsOpen reports whether services may connect; conn is any of the server's.
func IsOpen(ctx context.Context, conn *pgx.Conn) (open bool, err error) {
	if err := conn.QueryRow(ctx, "SELECT datconnlimit <> 0 FROM pg_database WHERE datname = $1", Name).Scan(&open); err != nil {
		return false, fmt.Errorf("look whether %s is open: %w", Name, err)
	}
	return open, nil
}

// Reopen lets services connect again, if there is no damaged database or nothing
// of it is missing in the one that took its place. Both are the superuser's; damaged
// is nil where there is none.
func Reopen(ctx context.Context, damaged, live *pgx.Conn) error {
	if damaged != nil {
		for _, table := range replayed {
			was, err := sum(ctx, damaged, table)
			if err != nil {
				return err
			}
			is, err := sum(ctx, live, table)
			if err != nil {
				return err
			}
			if was != is {
				return fmt.Errorf("%w: %s has %s in %s, and %s in %s", ErrMissing, table, was, Damaged, is, Name)
			}
		}
	}
	if _, err := live.Exec(ctx, "ALTER DATABASE "+Name+" CONNECTION LIMIT -1"); err != nil {
		return fmt.Errorf("open %s: %w", Name, err)
	}
	return nil
}

// sum is how many rows a table has, and a sum of what is in them.
func sum(ctx context.Context, conn *pgx.Conn, table string) (string, error) {
	var rows, hash string
	err := conn.QueryRow(ctx, "SELECT count(*)::text, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM "+table+" t").Scan(&rows, &hash)
	if err != nil {
		return "", fmt.Errorf("sum %s up: %w", table, err)
	}
	return strings.Join([]string{rows, "rows of sum", hash}, " "), nil
}

// Exists reports whether there is a database of this name; conn is any of the
// server's.
func Exists(ctx context.Context, conn *pgx.Conn, name string) (there bool, err error) {
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil {
		return false, fmt.Errorf("look for database %s: %w", name, err)
	}
	return there, nil
}
