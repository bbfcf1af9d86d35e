package database

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Names of the database and its role.
const (
	Name = "lekiwi_heartbeat"
	Role = "lekiwi_admin"
)

//go:embed schema.sql
var schema string

// CreateSchema makes the tables; conn is the superuser's, to the database.
func CreateSchema(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, schema); err != nil {
		return fmt.Errorf("create the schema: %w", err)
	}
	return nil
}

// Open makes a pool of at most conns connections for a service. It connects
// when it is first used: a service starts while PostgreSQL is away.
func Open(ctx context.Context, url, service string, conns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a URL of PostgreSQL") // which the error would show
	}
	cfg.MaxConns = conns
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = service
	// A server that hangs must not hold a service for longer than its clients wait.
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "10s"
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return pool, nil
}

// Ping asks whether PostgreSQL answers, for a second at most.
func Ping(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}

// Refuses tells a value that the database will never take from a database that
// is away or busy.
func Refuses(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// Violates says whether an error is the violation of a unique index.
func Violates(err error, index string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == index
}
