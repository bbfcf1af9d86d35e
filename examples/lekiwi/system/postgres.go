package system

import (
	"context"
	"fmt"
	"os"
	"os/exec"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/sandbox"
)

// initdb makes the cluster's files. It listens on loopback alone and has no
// socket, whose path would be too long.
func initdb(ctx context.Context, l sandbox.Dir, id *sandbox.Identity, p ports, bin string) error {
	cmd := exec.CommandContext(ctx, bin+"/initdb", "-D", l.Data("postgres"), "-U", "postgres", "--pwfile", l.Conf("pgpass"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.Env = string(l), owner().Environment(l)
	id.Become(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	conf, err := os.OpenFile(l.Data("postgres/postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	defer conf.Close()
	if _, err := fmt.Fprintf(conf, `
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = ''
max_connections = 200
shared_preload_libraries = 'pg_stat_statements'
shared_buffers = 128MB
max_wal_size = 1GB
log_timezone = 'UTC'
timezone = 'UTC'
`, p.postgres); err != nil {
		return fmt.Errorf("configure PostgreSQL: %w", err)
	}
	return nil
}

// provisionPostgres waits for the server, then makes role, database and tables.
func provisionPostgres(ctx context.Context, p ports, s secrets) error {
	var conn *pgx.Conn
	err := sandbox.Await(ctx, "PostgreSQL", func(ctx context.Context) (err error) {
		conn, err = pgx.Connect(ctx, s.superURL(p, "postgres"))
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"CREATE ROLE " + database.Role + " LOGIN PASSWORD '" + s.database + "'",
		"GRANT pg_monitor, pg_signal_backend TO " + database.Role,
		"CREATE DATABASE " + database.Name + " OWNER " + database.Role,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("provision PostgreSQL: %w", err)
		}
	}
	own, err := pgx.Connect(ctx, s.superURL(p, database.Name))
	if err != nil {
		return fmt.Errorf("provision PostgreSQL: %w", err)
	}
	defer own.Close(context.WithoutCancel(ctx))
	return database.CreateSchema(ctx, own)
}
