package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// running applies a sync.continuous and runs it until the test ends, or stop is
// called.
func running(t *testing.T, text string, env map[string]string) (b driver.Background, stop func()) {
	t.Helper()
	b = drivertest.Make(t, text, env, parts()...).Actions["sync"].(driver.Background)
	l := &life{}
	if _, err := b.Apply(t.Context(), l.effect(b, t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	e := l.effect(b, t)
	go func() { ended <- b.Run(ctx, e) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return b, stop
}

// await waits for a condition, with patience for a busy machine.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAContinuousSyncCarriesOverWhatChangesAndWhatIsDeleted(t *testing.T) {
	t.Parallel()
	legacy, db := newRobots(t, fleet(30)...), server.Database(t)
	postgrestest.Exec(t, db, table)
	memory := filepath.Join(t.TempDir(), "memory")
	text := withAction(toTable, "continuous") + "          every: 50ms\n          sweep: 10%\n          remember: " + memory + "\n"
	b, _ := running(t, text, map[string]string{"LEGACY": legacy.URL, "DB": db})
	changed := fleet(30)[4]
	changed["last_seen"], changed["status"] = "2026-01-01T00:00:00", "failed"
	legacy.put("4", changed)
	legacy.drop("7")
	await(t, "the change is over", func() bool {
		return postgrestest.Value(t, db, "select status from robots where id = 'robot-00004'") == "error"
	})
	await(t, "the deletion is over", func() bool { return postgrestest.Value(t, db, "select count(*) from robots") == "29" })
	if behind, err := b.Staleness(t.Context()); err != nil || behind <= 0 || behind > time.Minute {
		t.Errorf("it is %s behind (%v)", behind, err)
	}
}

// What forgets everything, as the legacy system does when it is started again,
// has deleted nothing.
func TestASourceThatLostItsMemoryDeletesNothing(t *testing.T) {
	t.Parallel()
	legacy, db := newRobots(t, fleet(30)...), server.Database(t)
	postgrestest.Exec(t, db, table)
	text := withAction(toTable, "continuous") + "          every: 10ms\n          sweep: 10%\n          remember: " + filepath.Join(t.TempDir(), "memory") + "\n"
	b := drivertest.Make(t, text, map[string]string{"LEGACY": legacy.URL, "DB": db}, parts()...).Actions["sync"].(driver.Background)
	l := &life{}
	if _, err := b.Apply(t.Context(), l.effect(b, t)); err != nil {
		t.Fatal(err)
	}
	for i := range 29 {
		legacy.drop(fmt.Sprint(i))
	}
	err := b.Run(t.Context(), l.effect(b, t))
	if err == nil || !strings.Contains(err.Error(), "29 of 30 records are gone at once") {
		t.Errorf("Run: %v", err)
	}
	if n := postgrestest.Value(t, db, "select count(*) from robots"); n != "30" {
		t.Errorf("the table has %s rows, want 30", n)
	}
}

const between = `
segue: v1
name: sync
connections:
  legacy: {postgres: {url: "${LEGACY}"}}
  new: {postgres: {url: "${NEW}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.continuous:
          from: %s
          read: {table: robots}
          to: %s
          write: {table: robots}
          key: [id]
          version: changed
          mark: origin
          every: 20ms
`

// Both sides are written to while each is synced to the other: in the end they
// are equal, each row is the one that was written last, and what came from the
// other side was not sent back.
func TestBothWaysAtOnceEndEqualWithTheNewestOfEach(t *testing.T) {
	t.Parallel()
	env := map[string]string{"LEGACY": server.Database(t), "NEW": server.Database(t)}
	for _, db := range env {
		postgrestest.Exec(t, db, `create table robots (id text primary key, n bigint not null, changed timestamptz not null, origin text)`)
	}
	_, stopForth := running(t, fmt.Sprintf(between, "legacy", "new"), env)
	back, stopBack := running(t, fmt.Sprintf(between, "new", "legacy"), env)
	writers := sync.WaitGroup{}
	for name, db := range env {
		writers.Go(func() { scribble(t, name, db, 600) })
	}
	writers.Wait()
	const sum = "select md5(coalesce(string_agg(id || n || changed, ',' order by id), '')) || count(*) from robots"
	await(t, "both sides are equal", func() bool {
		return postgrestest.Value(t, env["LEGACY"], sum) == postgrestest.Value(t, env["NEW"], sum)
	})
	// Each write was told to the log of its side: the newest of both must be there.
	for name, db := range env {
		other := env[map[string]string{"LEGACY": "NEW", "NEW": "LEGACY"}[name]]
		newest := postgrestest.Value(t, db, "select string_agg(id || '=' || n, ' ' order by id) from (select distinct on (id) id, n, changed from log order by id, changed desc) l")
		for pair := range strings.FieldsSeq(newest) {
			id, n, _ := strings.Cut(pair, "=")
			mine := postgrestest.Value(t, db, "select max(changed)::text from log where id = '"+id+"'")
			theirs := postgrestest.Value(t, other, "select coalesce(max(changed)::text, '') from log where id = '"+id+"'")
			if mine > theirs {
				if got := postgrestest.Value(t, other, "select n from robots where id = '"+id+"'"); got != n {
					t.Fatalf("%s, written last on %s with %s, is %s on the other side", id, name, n, got)
				}
			}
		}
	}
	if behind, err := back.Staleness(t.Context()); err != nil || behind > time.Minute {
		t.Errorf("the way back is %s behind (%v)", behind, err)
	}
	stopForth()
	stopBack()
}

// scribble writes rows of 40 robots, and each write to a log.
func scribble(t *testing.T, name, url string, writes int) {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background()) //nolint:errcheck // of a test
	if _, err := conn.Exec(t.Context(), "create table log (id text, n bigint, changed timestamptz)"); err != nil {
		t.Error(err)
		return
	}
	for i := range writes {
		id := fmt.Sprintf("r%02d", rand.IntN(40))
		// A version is the time of the write, and later than what is there.
		_, err := conn.Exec(t.Context(), `with w as (insert into robots as r (id, n, changed) values ($1, $2, clock_timestamp())
			on conflict (id) do update set n = excluded.n, changed = greatest(excluded.changed, r.changed + interval '1 microsecond') returning id, n, changed)
			insert into log select * from w`, id, int64(i)*10+int64(len(name)%10))
		if err != nil {
			t.Errorf("write on %s: %v", name, err)
			return
		}
	}
}
