package database_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/database"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A database that lacks something of the damaged one stays closed.
func TestOnlyWhatIsWholeIsReopened(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stores, err := system.StartStores(ctx)
	check(t, err)
	t.Cleanup(func() { check(t, stores.Stop()) })
	to := func(name string) *pgx.Conn {
		u, err := url.Parse(stores.SuperURL)
		check(t, err)
		u.Path = "/" + name
		conn, err := pgx.Connect(ctx, u.String())
		check(t, err)
		t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) }) // the server ends after it
		return conn
	}
	exec := func(conn *pgx.Conn, sql string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		check(t, err)
	}
	const (
		events   = "INSERT INTO events (seq, key, robot_id, kind, at, changed, recorded_at) SELECT n, gen_random_uuid(), 'r', 'heard', now(), false, now() FROM generate_series(1, 3) n"
		sessions = "INSERT INTO teleoperation_sessions (id, robot_id, operator, source, started_at) VALUES ('s', 'r', 'ann', 'operator', '2026-01-01')"
	)
	live := to(database.Name)
	exec(live, events)
	exec(live, sessions)
	exec(live, "ALTER DATABASE "+database.Name+" CONNECTION LIMIT 0")
	check(t, live.Close(ctx))
	exec(to("postgres"), "CREATE DATABASE "+database.Damaged+" TEMPLATE "+database.Name)
	live = to(database.Name)
	damaged := to(database.Damaged)

	exec(damaged, "UPDATE teleoperation_sessions SET ended_at = '2026-01-02'")
	if err := database.Reopen(ctx, damaged, live); !errors.Is(err, database.ErrMissing) {
		t.Errorf("the end of a session is missing: %v", err)
	}
	exec(live, "UPDATE teleoperation_sessions SET ended_at = '2026-01-02'")
	exec(damaged, "INSERT INTO events (seq, key, robot_id, kind, at, changed) VALUES (4, gen_random_uuid(), 'r', 'heard', now(), false)")
	if err := database.Reopen(ctx, damaged, live); !errors.Is(err, database.ErrMissing) {
		t.Errorf("an event is missing: %v", err)
	}
	if open, err := database.IsOpen(ctx, live); err != nil || open {
		t.Errorf("open: %t, %v", open, err)
	}
	exec(live, "INSERT INTO events (seq, key, robot_id, kind, at, changed) VALUES (4, gen_random_uuid(), 'r', 'heard', now(), false)")
	if err := database.Reopen(ctx, damaged, live); !errors.Is(err, database.ErrMissing) {
		t.Errorf("another event is in its place: %v", err)
	}
	exec(live, "ALTER TABLE events DISABLE TRIGGER append_only; DELETE FROM events WHERE seq = 4")
	exec(damaged, "ALTER TABLE events DISABLE TRIGGER append_only; DELETE FROM events WHERE seq = 4")
	check(t, database.Reopen(ctx, damaged, live))
	if open, err := database.IsOpen(ctx, live); err != nil || !open {
		t.Errorf("open: %t, %v", open, err)
	}
}
