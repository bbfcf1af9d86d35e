package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// patience is how long records are asked for, or written, again while the server
// is away: as long as a restart may take.
const patience = time.Minute

// A lasting session is a connection of its own, made anew when it is lost.
type lasting struct {
	db   *DB
	set  map[string]string // its settings
	then func(context.Context, *pgx.Conn) error
	conn *pgx.Conn
}

// exact are the settings with which values are read as the same text whoever
// reads them, and all of them.
func exact() map[string]string {
	return map[string]string{
		"statement_timeout": "600000", "idle_in_transaction_session_timeout": "600000", "standard_conforming_strings": "on",
		"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "1",
	}
}

// do runs f, again if the server was not reached or ended the session: f must be
// safe to repeat.
func (l *lasting) do(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := l.once(ctx, f)
		if err != nil && !lost(err) && !collided(err) || errors.Is(err, driver.ErrNotMine) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(patience))
	return l.db.wrap(permanent(err))
}

// collided reports that the server gave way to somebody else's transaction: the
// same may work the next time.
func collided(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (said.Code == "40001" || said.Code == "40P01") // serialization, deadlock
}

// once runs f once, for what cannot be repeated.
func (l *lasting) once(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	if err := l.open(ctx); err != nil {
		return err
	}
	err := f(ctx, l.conn)
	if l.conn.IsClosed() {
		l.conn = nil
	}
	return err
}

func permanent(err error) error {
	if p, ok := err.(*backoff.PermanentError); ok { //nolint:errorlint // the outermost
		return p.Err
	}
	return err
}

func (l *lasting) open(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	cfg := l.db.pool.Config().ConnConfig
	for name, value := range l.set {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	if l.then != nil {
		if err := l.then(ctx, conn); err != nil {
			goodbye(conn)
			return err
		}
	}
	l.conn = conn
	return nil
}

// Close ends the session.
func (l *lasting) Close() error {
	if l.conn != nil {
		goodbye(l.conn)
		l.conn = nil
	}
	return nil
}

func goodbye(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_ = conn.Close(ctx)
}
