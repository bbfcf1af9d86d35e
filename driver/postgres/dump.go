package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/throwaway"
)

var _ driver.Dumper = (*DB)(nil)

// lockPatience is how long a dump waits for a table that somebody has locked
// against readers, where nobody says.
const lockPatience = 30 * time.Second

// Dump implements driver.Dumper. dir is as postgres.backup would leave it, so that
// postgres.restore takes it.
func (db *DB) Dump(ctx context.Context, dir string) (driver.Dump, error) {
	f, err := os.CreateTemp(dir, partialPrefix(db.name)+"*")
	if err != nil {
		return driver.Dump{}, fmt.Errorf("dump of %s: %w", db, err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // gone already when all is well
	}()
	m, err := db.dump(ctx, f, true, lockPatience)
	if err == nil {
		err = publish(m, dir, dumpName(db.name, m.Taken), f)
	}
	if err != nil {
		return driver.Dump{}, fmt.Errorf("dump of %s: %w", db, db.secret.hide(err))
	}
	roles, err := db.roles(ctx)
	if err != nil {
		return driver.Dump{}, err
	}
	return driver.Dump{ID: m.Identity, Server: m.Server, Tools: map[string]string{"pg_dump": m.Dumper}, Taken: m.Taken, Counts: m.Rows, Detail: roles}, nil
}

// roles are the names of all roles, as JSON: policies of tables name some, and
// those that are not there cannot be restored. No dump of one database has them.
func (db *DB) roles(ctx context.Context) (names []byte, err error) {
	err = db.read(ctx, func(ctx context.Context, tx pgx.Tx) error {
		return tx.QueryRow(ctx, `select coalesce(json_agg(rolname order by rolname), '[]') from pg_roles where rolname !~ '^pg_'`).Scan(&names)
	})
	return names, err
}

// Prove implements driver.Dumper, on a server that only its own user reaches, by
// a socket.
func (db *DB) Prove(ctx context.Context, dir string, d driver.Dump) error {
	names, err := dumps(dir, db.name)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fmt.Errorf("there are %d dumps of database %s in %s, and not one", len(names), db.name, dir)
	}
	m, err := whole(ctx, dir, names[0], nil)
	if err != nil {
		return err
	}
	if m.Identity != d.ID {
		return fmt.Errorf("the dump is of %s, and not of %s", m.Identity, d.ID)
	}
	c, err := db.client(ctx, m.major())
	if err != nil {
		return fmt.Errorf("%w: %w", driver.ErrNoInstance, err)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "initdb")); err != nil {
		return fmt.Errorf("%w: there is no server beside pg_dump in %s; install Debian's package postgresql-%d", driver.ErrNoInstance, c.dir, c.major)
	}
	var roles []string
	if err := json.Unmarshal(d.Detail, &roles); err != nil {
		return fmt.Errorf("the roles that the dump names: %w", err)
	}
	if err := db.prove(ctx, c, filepath.Join(dir, names[0]), m, roles); err != nil {
		return fmt.Errorf("restore %s in a server of its own: %w", names[0], err)
	}
	return nil
}

func (db *DB) prove(ctx context.Context, c client, dump string, m *manifest, roles []string) (err error) {
	i, err := throwaway.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	data := filepath.Join(i.Dir, "data")
	if err := i.Run(ctx, filepath.Join(c.dir, "initdb"), "--pgdata="+data, "--username=segue_throwaway", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"); err != nil {
		return err
	}
	at := func(database string) string {
		return "host=" + i.Dir + " port=5432 user=segue_throwaway dbname=" + database
	}
	ready := func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, at("postgres"))
		if err == nil {
			goodbye(conn)
		}
		return err
	}
	if err := i.Start(ctx, ready, filepath.Join(c.dir, "postgres"), "-D", data, "-k", i.Dir, "-p", "5432", "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "autovacuum=off", "-c", "max_wal_size=4GB"); err != nil {
		return err
	}
	const name = "restored"
	if err := onServer(ctx, at("postgres"), func(conn *pgx.Conn) error {
		for _, role := range roles {
			if err := order(ctx, conn, "create role %I", role); err != nil {
				return err
			}
		}
		options, values := m.Made.sql()
		return order(ctx, conn, "create database %I"+options, append([]any{name}, values...)...)
	}); err != nil {
		return fmt.Errorf("make a database: %w", err)
	}
	f, err := os.Open(dump)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fill := program{path: c.restore(), in: f, env: []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}, args: []string{
		"--exit-on-error", "--no-owner", "--no-privileges", "--no-subscriptions", "--no-tablespaces", "--no-password", "--dbname=" + at(name),
	}}
	if err := fill.run(ctx, ""); err != nil {
		return err
	}
	return onServer(ctx, at(name), func(conn *pgx.Conn) error {
		got, err := contentOf(ctx, conn)
		if err != nil {
			return err
		}
		if wrong := unlike(m.Rows, got.rows); len(wrong) > 0 {
			return fmt.Errorf("what is restored is not what was dumped: %s", strings.Join(wrong, "; "))
		}
		return nil
	})
}

// onServer runs f on a connection of its own.
func onServer(ctx context.Context, where string, f func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, where)
	if err != nil {
		return err
	}
	defer goodbye(conn)
	return f(conn)
}
