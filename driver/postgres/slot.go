package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/segue-run/segue/driver"
)

// A log of changes is a replication slot and a publication of the same name.
// The slot is made before anything is read, so that nothing falls between what
// is read and what the log tells; what stands in both is written twice, and as
// records have keys that changes nothing. Nothing of the database is held up, as
// it would be by a snapshot that lasts as long as a copy.

// slot is one as the server has it.
type slot struct {
	there     bool
	confirmed string
	status    string // reserved, extended, unreserved, lost
	behind    int64
	pid       *int32 // of who follows it
}

func (s *rowSource) slot(ctx context.Context, name string) (out slot, err error) {
	err = s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		out = slot{there: true}
		err := conn.QueryRow(ctx, `select coalesce(confirmed_flush_lsn::text, ''), coalesce(wal_status, ''),
			coalesce(pg_wal_lsn_diff(`+logEnd+`::pg_lsn, restart_lsn), 0)::bigint, active_pid
			from pg_replication_slots where slot_name = $1 and database = current_database()`, name).Scan(&out.confirmed, &out.status, &out.behind, &out.pid)
		if errors.Is(err, pgx.ErrNoRows) {
			out = slot{}
			return nil
		}
		return err
	})
	if err != nil {
		return out, fmt.Errorf("look at replication slot %s: %w", name, err)
	}
	return out, nil
}

// Log implements driver.Follower.
func (s *rowSource) Log(ctx context.Context, name string) (driver.Log, error) {
	found, err := s.slot(ctx, name)
	return driver.Log{Open: found.there, Behind: found.behind}, err
}

// Begin implements driver.Follower.
func (s *rowSource) Begin(ctx context.Context, mine func() error, name string) (driver.Position, error) {
	if err := s.followable(ctx); err != nil {
		return nil, err
	}
	writes := &lasting{db: s.session.db, set: exact()}
	defer writes.Close() //nolint:errcheck // a goodbye
	err := writes.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var published bool
		if err := conn.QueryRow(ctx, "select exists (select from pg_publication where pubname = $1)", name).Scan(&published); err != nil {
			return err
		}
		if err := mine(); err != nil {
			return err
		}
		if !published {
			if _, err := conn.Exec(ctx, "create publication "+quote(name)+" for table "+s.from); err != nil {
				return fmt.Errorf("publish the changes of %s: %w", s.from, err)
			}
		}
		var there bool
		if err := conn.QueryRow(ctx, "select exists (select from pg_replication_slots where slot_name = $1)", name).Scan(&there); err != nil || there {
			return err
		}
		if err := mine(); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "select pg_create_logical_replication_slot($1, 'pgoutput')", name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a log of the changes of %s: %w", s.from, err)
	}
	made, err := s.slot(ctx, name)
	if err == nil && !made.there {
		err = fmt.Errorf("replication slot %s is not in this database", name)
	}
	return position(made.confirmed), err
}

// followable refuses what the server cannot log.
func (s *rowSource) followable(ctx context.Context) error {
	db := s.session.db
	if s.table.name == "" {
		return &driver.Refusal{System: db.String(), Reason: "the changes of a query cannot be followed", Remedy: "read a table, or do not follow"}
	}
	var level, identity string
	err := s.session.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select current_setting('wal_level'), relreplident::text from pg_class where oid = $1", s.table.oid).Scan(&level, &identity)
	})
	switch {
	case err != nil:
		return err
	case level != "logical":
		return &driver.Refusal{System: db.String(), Reason: "wal_level is " + level + ", so the server's log does not tell what changes", Remedy: "set it to logical (postgres.setting) and restart the server, or do not follow"}
	case identity == "n" || !slices.Equal(slices.Sorted(slices.Values(s.key)), slices.Sorted(slices.Values(s.table.key))) && identity != "f":
		return &driver.Refusal{System: db.String(), Reason: "the log of table " + s.table.name + " does not tell rows apart by " + strings.Join(s.key, ", "), Remedy: "read it by its primary key, and leave its replica identity as it is"}
	}
	return nil
}

// End implements driver.Follower.
func (s *rowSource) End(ctx context.Context, mine func() error, name string) error {
	writes := &lasting{db: s.session.db, set: exact()}
	defer writes.Close() //nolint:errcheck // a goodbye
	const within = 20 * time.Second
	deadline := time.Now().Add(within)
	for {
		found, err := s.slot(ctx, name)
		if err != nil {
			return err
		}
		err = writes.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			if found.there {
				if err := mine(); err != nil {
					return err
				}
				if found.pid != nil { // of a process that died, or is about to end
					if _, err := conn.Exec(ctx, "select pg_terminate_backend($1)", *found.pid); err != nil {
						return err
					}
				}
				if _, err := conn.Exec(ctx, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1", name); err != nil {
					return err
				}
			}
			var published bool
			if err := conn.QueryRow(ctx, "select exists (select from pg_publication where pubname = $1)", name).Scan(&published); err != nil || !published {
				return err
			}
			if err := mine(); err != nil {
				return err
			}
			_, err := conn.Exec(ctx, "drop publication if exists "+quote(name))
			return err
		})
		if said, ok := errors.AsType[*pgconn.PgError](err); ok && said.Code == "55006" && time.Now().Before(deadline) { // in use
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-ctx.Done():
			}
		}
		if err != nil {
			return fmt.Errorf("close the log of the changes of %s: %w", s.from, err)
		}
		return nil
	}
}
