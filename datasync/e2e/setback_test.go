package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// following is a sync that has copied one thing from a server of its own.
func following(t *testing.T, source *postgrestest.Server) (f driver.Background, l *life, a, b string) {
	t.Helper()
	a, b = source.URL("postgres"), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things values (1, 1, null, 1)")
	postgrestest.Exec(t, b, things)
	f = drivertest.Make(t, followThings, map[string]string{"A": a, "B": b}, parts()...).Actions["sync"].(driver.Background)
	l = &life{}
	if _, err := f.Apply(t.Context(), l.effect(f, t)); err != nil {
		t.Fatal(err)
	}
	return f, l, a, b
}

// fails has a sync fail with some words, as often as it is started.
func fails(t *testing.T, f driver.Background, l *life, words string) {
	t.Helper()
	for range 2 {
		if err := f.Run(t.Context(), l.effect(f, t)); err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "undo this step and take it anew") {
			t.Errorf("Run: %v, want %q", err, words)
		}
	}
}

// The server drops what a slot needs when it is to keep no more of it.
func TestALogThatTheServerHasDroppedIsALoudFailure(t *testing.T) {
	t.Parallel()
	source := postgrestest.Start(t, "max_slot_wal_keep_size=1MB", "min_wal_size=32MB", "max_wal_size=32MB")
	f, l, a, b := following(t, source)
	await(t, "the log is lost", func() bool {
		postgrestest.Exec(t, a, "insert into things select 2, 2, null, 2 where not exists (select from things where id = 2)")
		postgrestest.Exec(t, a, "select pg_switch_wal()")
		postgrestest.Exec(t, a, much)
		postgrestest.Exec(t, a, "checkpoint")
		return postgrestest.Value(t, a, "select wal_status from pg_replication_slots") == "lost"
	})
	fails(t, f, l, "the server has dropped the log that replication slot segue_")
	if n := postgrestest.Value(t, b, "select count(*) from things"); n != "1" {
		t.Errorf("it has brought over %s records all the same", n)
	}
	if err := f.Undo(t.Context(), l.effect(f, t)); err != nil && !strings.Contains(err.Error(), "kept") {
		t.Error(err)
	}
	if n := postgrestest.Value(t, a, slots); n != "0" {
		t.Errorf("after Undo %s slots are left", n)
	}
}

// Who goes back to a snapshot of the source's disk has a log that ends before what
// was brought over.
func TestALogThatWasSetBackIsALoudFailure(t *testing.T) {
	t.Parallel()
	source := postgrestest.Start(t)
	f, l, a, b := following(t, source)
	source.Stop(t)
	back := source.Copy(t)
	source.Restart(t)

	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var saved struct{ Log string }
	e := l.effect(f, t)
	e.Save = func(_ context.Context, c any) (err error) {
		mu.Lock()
		defer mu.Unlock()
		if l.cursor, err = json.Marshal(c); err != nil {
			return err
		}
		return json.Unmarshal(l.cursor, &saved)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx, e) }()
	for range 6 {
		postgrestest.Exec(t, a, much)
	}
	end := postgrestest.Value(t, a, "select pg_current_wal_lsn()")
	await(t, "the cursor is past all that", func() bool {
		postgrestest.Exec(t, a, "insert into things select max(id) + 1, 0, null, 1 from things")
		mu.Lock()
		defer mu.Unlock()
		return saved.Log != "" && postgrestest.Value(t, a, "select '"+saved.Log+"'::pg_lsn > '"+end+"'") == "t"
	})
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	source.Stop(t)
	back()
	source.Restart(t)
	had := postgrestest.Value(t, b, thingsSum)
	fails(t, f, l, "it was set back")
	if now := postgrestest.Value(t, b, thingsSum); now != had {
		t.Errorf("it has brought over something all the same: %s, and had %s", now, had)
	}
}
