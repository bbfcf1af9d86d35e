package e2e

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const things = `create table things (id int primary key, n bigint not null, long text, v bigint not null)`

const followThings = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.continuous: {from: a, read: {table: things}, to: b, write: {table: things}, key: [id], version: v, follow: true}
`

const thingsSum = "select count(*) || ' ' || coalesce(md5(string_agg(things::text, ',' order by id)), '')  from things"

// write changes things until it has done so many times: rows are made, changed,
// deleted, made again and given another key, or until ctx ends. A version grows
// with each change.
func write(ctx context.Context, url string, writer, times int) error {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.Background())
		}
	}()
	random := rand.New(rand.NewPCG(uint64(writer), 7)) //nolint:gosec // of a test
	for i := 0; i < times; {
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(ctx, url); err != nil {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // it was told to end
				}
				select { // the server is away for a while
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
				continue
			}
		}
		id, version := writer*1000+random.IntN(60), int64(i)*10+int64(writer)
		var err error
		switch random.IntN(10) {
		case 0:
			_, err = conn.Exec(ctx, "delete from things where id = $1", id)
		case 1:
			_, err = conn.Exec(ctx, "update things set id = id + 500, v = v + 1 where id = $1 and not exists (select from things where id = $1 + 500)", id)
		case 2: // a long value that later updates leave alone
			_, err = conn.Exec(ctx, `insert into things select $1, $2, string_agg(md5(random()::text), ''), $2 from generate_series(1, 200)
				on conflict (id) do update set long = excluded.long, v = things.v + 1`, id, version)
		default:
			_, err = conn.Exec(ctx, "insert into things values ($1, $2, null, $2) on conflict (id) do update set n = excluded.n, v = greatest(things.v + 1, excluded.v)", id, version)
		}
		if err == nil {
			i++
		} else if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// writers work beside a test; wait returns when they have ended.
func writers(t *testing.T, url string, n, times int) (wait func()) {
	t.Helper()
	return writersUntil(t.Context(), t, url, n, times)
}

// writersUntil work until a context ends at the latest.
func writersUntil(ctx context.Context, t *testing.T, url string, n, times int) (wait func()) {
	t.Helper()
	var all sync.WaitGroup
	for w := range n {
		all.Go(func() {
			if err := write(ctx, url, w+1, times); err != nil {
				t.Errorf("writer %d: %v", w+1, err)
			}
		})
	}
	return all.Wait
}

func equal(t *testing.T, a, b, sum string) {
	t.Helper()
	await(t, "both sides are equal", func() bool { return postgrestest.Value(t, a, sum) == postgrestest.Value(t, b, sum) })
}

func TestWhatIsWrittenDuringACopyAndAfterwardsIsFollowed(t *testing.T) {
	t.Parallel()
	a, b := server.Database(t), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(100000, 110000) x")
	postgrestest.Exec(t, b, things)
	wait := writers(t, a, 2, 400)
	f, stop := running(t, followThings, map[string]string{"A": a, "B": b})
	wait()
	equal(t, a, b, thingsSum)
	if n := postgrestest.Value(t, b, "select count(*) from things where length(long) > 2000"); n == "0" {
		t.Error("no long value was written: the test is too short to see whether they are kept")
	}
	await(t, "it knows that all is over", func() bool {
		behind, err := f.Staleness(t.Context())
		return err == nil && behind < 30*time.Second
	})
	stop()
	if err := f.Undo(t.Context(), (&life{}).effect(f, t)); err != nil {
		t.Error(err)
	}
	if n := postgrestest.Value(t, a, "select (select count(*) from pg_replication_slots where database = current_database()) + (select count(*) from pg_publication)"); n != "0" {
		t.Errorf("after Undo %s slots and publications are left", n)
	}
}

const wayBack = `
segue: v1
name: sync
connections:
  old: {postgres: {url: "${OLD}"}}
  new: {postgres: {url: "${NEW}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.continuous: {from: new, read: {table: robots}, to: old, write: {table: robots}, key: [id], version: changed, mark: origin, follow: true}
`

// After the cutover the new side takes an hour of writes, new robots and
// deletions among them; whoever goes back then finds all of them, and nothing
// that had come from the old side was sent back to it.
func TestWhoGoesBackAfterAnHourOfWritesFindsThemAll(t *testing.T) {
	t.Parallel()
	old, next := server.Database(t), server.Database(t)
	const robots = "create table robots (id text primary key, n bigint not null, changed timestamptz not null, origin text)"
	postgrestest.Exec(t, old, robots+"; insert into robots select 'r' || x, 0, timestamptz '2025-01-29 10:00Z', null from generate_series(1, 500) x")
	postgrestest.Exec(t, next, robots+"; insert into robots select 'r' || x, 0, timestamptz '2025-01-29 10:00Z', 'old@2025-01-29T10:00:00Z' from generate_series(1, 500) x")
	f, stop := running(t, wayBack, map[string]string{"OLD": old, "NEW": next})
	// A write a second, for an hour.
	postgrestest.Exec(t, next, `do $$ begin for s in 1..3600 loop
		insert into robots values ('r' || mod(s * 7, 600), s, timestamptz '2025-01-29 10:00Z' + s * interval '1 s')
			on conflict (id) do update set n = excluded.n, changed = excluded.changed;
		if mod(s, 100) = 0 then delete from robots where id = 'r' || mod(s, 600); end if;
		if mod(s, 50) = 0 then commit; end if;
	end loop; end $$`)
	const sum = "select count(*) || ' ' || md5(string_agg(id || n || changed, ',' order by id)) from robots"
	equal(t, next, old, sum)
	await(t, "it says that a rollback would lose nothing", func() bool {
		behind, err := f.Staleness(t.Context())
		return err == nil && behind < 30*time.Second
	})
	stop()
	if n := postgrestest.Value(t, old, "select count(*) from robots where changed = '2025-01-29 10:00Z' and origin is not null"); n != "0" {
		t.Errorf("%s records were sent back where they came from", n)
	}
}

func TestALogThatIsNotWhereItWasLeftIsALoudFailure(t *testing.T) {
	t.Parallel()
	const mine = " from pg_replication_slots where database = current_database()"
	for name, c := range map[string]struct{ change, harm, want string }{
		"gone": {"", "select pg_drop_replication_slot(slot_name)" + mine, "is gone"},
		"read by others": {
			"insert into things values (5, 5, null, 5)",
			"select count(*) from pg_logical_slot_get_binary_changes((select slot_name" + mine + "), null, null, 'proto_version', '1', 'publication_names', (select pubname from pg_publication))",
			"somebody else has read from it",
		},
		"advanced": {
			"insert into things values (5, 5, null, 5)", "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn())" + mine,
			"somebody else has read from it",
		},
		"truncated": {"", "truncate things", "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := server.Database(t), server.Database(t)
			postgrestest.Exec(t, a, things+"; insert into things values (1, 1, null, 1)")
			postgrestest.Exec(t, b, things)
			f := drivertest.Make(t, followThings, map[string]string{"A": a, "B": b}, parts()...).Actions["sync"].(driver.Background)
			l := &life{}
			if _, err := f.Apply(t.Context(), l.effect(f, t)); err != nil {
				t.Fatal(err)
			}
			postgrestest.Exec(t, a, c.change) // in a transaction of its own: it is what gets lost
			postgrestest.Exec(t, a, c.harm)
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			for range 2 { // as a run does, which starts it again
				err := f.Run(ctx, l.effect(f, t))
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "taken anew") && !strings.Contains(err.Error(), "take it anew") {
					t.Errorf("Run: %v, want %q", err, c.want)
				}
			}
			if n := postgrestest.Value(t, b, "select count(*) from things"); n != "1" {
				t.Errorf("it has brought over %s records all the same", n)
			}
			if err := f.Undo(t.Context(), l.effect(f, t)); err != nil && !strings.Contains(err.Error(), "kept") {
				t.Error(err)
			}
		})
	}
}

func TestWalkOfFollowing(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{
		ObserveOnly: told, AlwaysActs: true, MayKeep: true, Parallel: true, Slow: true, Promptly: 10 * time.Second,
		World: func(t testing.TB) drivertest.World {
			a, b := server.Database(t), server.Database(t)
			postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(1, 50) x")
			postgrestest.Exec(t, b, things)
			made := drivertest.Make(t, followThings, map[string]string{"A": a, "B": b}, parts()...)
			const drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
			t.Cleanup(func() { execQuietly(a, drop) })
			return drivertest.World{
				Action:  func() driver.Action { return made.Again("sync") },
				Disturb: func(ctx context.Context) error { postgrestest.Exec(t, a, drop); return nil },
			}
		},
	})
}

// execQuietly cleans up after a test, whose context is over.
func execQuietly(url, sql string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if conn, err := pgx.Connect(ctx, url); err == nil {
		_, _ = conn.Exec(ctx, sql)
		_ = conn.Close(ctx)
	}
}

func TestASourceWhoseLogTellsNothingIsRefused(t *testing.T) {
	t.Parallel()
	a, b := server.Database(t), server.Database(t)
	postgrestest.Exec(t, a, things+"; alter table things replica identity nothing")
	postgrestest.Exec(t, b, things)
	f := drivertest.Make(t, followThings, map[string]string{"A": a, "B": b}, parts()...).Actions["sync"]
	_, err := f.Apply(t.Context(), (&life{}).effect(f, t))
	if err == nil || !strings.Contains(err.Error(), "does not tell rows apart") {
		t.Errorf("Apply: %v", err)
	}
	if n := postgrestest.Value(t, a, "select count(*) from pg_replication_slots where database = current_database()"); n != "0" {
		t.Errorf("%s slots were made", n)
	}
}
