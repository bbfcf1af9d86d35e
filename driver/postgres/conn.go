package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/segue-run/segue/internal/disk"
)

type connParams struct {
	URL     string        `param:"url,required" doc:"Where the database is: postgres://user:password@host:port/database, or key=value pairs."`
	Timeout time.Duration `param:"timeout" doc:"How long a statement, or the wait for a connection, may take." default:"10s"`
}

const (
	defaultTimeout = 10 * time.Second
	// closing is how long a goodbye to a server that hangs may take.
	closing = time.Second
)

// DB is a connection to one database.
type DB struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	name    string // of the database, as the URL has it
	where   string // for people: host:port/database
	secret  secret
	// programs are patterns of where pg_dump and pg_restore are, before PATH.
	programs []string
	sums     disk.Sums

	mu sync.Mutex
	id string // canonical, once it is known
}

// open prepares a small pool and does not connect: see the package's doc.
func open(ctx context.Context, p connParams) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(p.URL)
	if err != nil {
		return nil, badURL(p.URL, err)
	}
	if p.Timeout <= 0 {
		p.Timeout = defaultTimeout
	}
	cfg.MaxConns, cfg.MinConns = 4, 0
	cfg.MaxConnIdleTime = time.Minute
	cfg.ConnConfig.ConnectTimeout = p.Timeout
	set := cfg.ConnConfig.RuntimeParams
	set["statement_timeout"] = strconv.FormatInt(p.Timeout.Milliseconds(), 10)
	set["idle_in_transaction_session_timeout"] = set["statement_timeout"]
	if set["application_name"] == "" {
		set["application_name"] = "segue"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, badURL(p.URL, err)
	}
	c := cfg.ConnConfig
	if c.Database == "" { // as the server has it
		c.Database = c.User
	}
	return &DB{
		pool: pool, timeout: p.Timeout, secret: secret(c.Password), programs: clientDirs(), name: c.Database,
		where: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database,
	}, nil
}

// Close returns the connections. It does not wait long for a server that
// hangs: the pool would say goodbye to it for 15 s.
func (db *DB) Close() error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		db.pool.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-time.After(closing):
		return fmt.Errorf("%s does not let its connections go", db)
	}
}

// String is the database for people.
func (db *DB) String() string { return "postgres " + db.where }

// ID is the database's canonical identity. It asks the server once.
func (db *DB) ID(ctx context.Context) (string, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.id != "" {
		return db.id, nil
	}
	// Without the right to call pg_control_system the address at which the
	// server itself sees us must do. It outlives a restart, and is another one
	// only for who comes over another interface.
	const byControl = `select 'postgres:' || system_identifier || '/' || current_database() from pg_control_system()`
	const byAddress = `select 'postgres:' || coalesce(host(inet_server_addr()), 'local') || ':' || current_setting('port') || '/' || current_database()`
	var id string
	err := db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		var may bool
		if err := tx.QueryRow(ctx, `select has_function_privilege('pg_control_system()', 'execute')`).Scan(&may); err != nil {
			return err
		}
		query := byAddress
		if may {
			query = byControl
		}
		return tx.QueryRow(ctx, query).Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("identity of the database: %w", err)
	}
	db.id = id
	return id, nil
}

// read runs f in a read-only transaction, once more if a pooled connection
// turns out to be dead, as after a restart of the server.
func (db *DB) read(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	once := func() error {
		return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return f(ctx, tx) })
	}
	err := once()
	if lost(err) && ctx.Err() == nil {
		err = once()
	}
	return db.wrap(err)
}

// write runs f in a transaction that commits if f returns nil.
func (db *DB) write(ctx context.Context, timeout time.Duration, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return db.wrap(pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "set local statement_timeout = "+strconv.FormatInt(timeout.Milliseconds(), 10))
		if err != nil {
			return fmt.Errorf("set statement_timeout: %w", err)
		}
		return f(ctx, tx)
	}))
}

func (db *DB) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", db, db.secret.hide(err))
}

// lost reports that the server was not reached, or ended the session: not
// that it answered with an error.
func lost(err error) bool {
	if err == nil || errors.Is(err, errAnswer) {
		return false
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || strings.HasPrefix(refused.Code, "57P") // shutting down, crashed, starting up
}

// errAnswer marks what this package makes of the server's answer.
var errAnswer = errors.New("answer")
