package normalize

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

//go:embed schema.sql
var schema string

// CreateSchema makes the tables that are missing.
func CreateSchema(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, schema); err != nil {
		return fmt.Errorf("create the schema: %w", err)
	}
	return nil
}

// origin says which message a row comes from.
type origin struct {
	messageID  string
	stream     string
	seq        uint64
	receivedAt time.Time
}

type store struct {
	pool *pgxpool.Pool
}

const writeTimeout = 5 * time.Second

func openStore(ctx context.Context, url string, conns int) (*store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	cfg.MaxConns = int32(conns) //nolint:gosec // a small number of our own
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = "normalize"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &store{pool}, nil
}

func (s *store) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping the database: %w", err)
	}
	return nil
}

// An older reading never replaces a newer one, and an equal one changes nothing.
const upsertHRV = `
WITH changed AS (
    INSERT INTO hrv_data AS h (user_id, date, rmssd, ln_rmssd, captured_at)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id, date) DO UPDATE
    SET rmssd = excluded.rmssd, ln_rmssd = excluded.ln_rmssd, captured_at = excluded.captured_at, updated_at = now()
    WHERE excluded.captured_at >= h.captured_at
      AND (h.rmssd, h.captured_at) IS DISTINCT FROM (excluded.rmssd, excluded.captured_at)
    RETURNING 1)
INSERT INTO normalize_effects (message_id, target, stream, seq)
SELECT $6, 'hrv_data', $7, $8 FROM changed`

func (s *store) saveHRV(ctx context.Context, from origin, h event.HRV) error {
	at := from.receivedAt
	if h.CapturedAt != nil {
		at = *h.CapturedAt
	}
	date, err := time.Parse(time.DateOnly, h.Date)
	if err != nil {
		return fmt.Errorf("date: %w", err)
	}
	return s.exec(ctx, upsertHRV, h.UserID, date, h.RMSSD, h.LnRMSSD(), at, from.messageID, from.stream, int64(from.seq)) //nolint:gosec // JetStream counts from 1
}

const insertVendorEvent = `
WITH changed AS (
    INSERT INTO vendor_events (event_id, vendor, user_id, event_type, data, received_at)
    VALUES ($1, 'oura', $2, $3, $4, $5)
    ON CONFLICT (event_id) DO NOTHING
    RETURNING 1)
INSERT INTO normalize_effects (message_id, target, stream, seq)
SELECT $6, 'vendor_events', $7, $8 FROM changed`

func (s *store) saveOura(ctx context.Context, from origin, o event.Oura) error {
	id := o.EventID
	if id == "" {
		id = from.messageID
	}
	return s.exec(ctx, insertVendorEvent, id, o.UserID, o.EventType, o.Data, from.receivedAt, from.messageID, from.stream, int64(from.seq)) //nolint:gosec // as above
}

func (s *store) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if _, err := s.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// retryable tells a database that is away or busy from a row that it will never
// take. What is not an answer of the database is a matter of the connection.
func retryable(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return true
	}
	switch pg.Code[:2] {
	case "08", "25", "40", "53", "55", "57", "58":
		return true // connection, transaction, resources, locks, operator, system
	case "42":
		return pg.Code != "42804" // a table or right that is missing may come back
	}
	return false
}
