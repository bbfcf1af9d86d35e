package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
)

// comes waits until a check says what it is to say: statistics are told by
// sessions as they end.
func comes(t *testing.T, c driver.Check, want evidence.Verdict, detail ...string) evidence.Reading {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r := c.Read(t.Context())
		missing := ""
		for _, d := range detail {
			if !strings.Contains(r.Detail, d) {
				missing = d
			}
		}
		if r.Verdict == want && missing == "" {
			return r
		}
		if time.Now().After(deadline) {
			t.Errorf("%v %s: %s; want %v, %q", r.Verdict, r.Value, r.Detail, want, detail)
			return r
		}
	}
}

func TestAdviceAfterTheMigration(t *testing.T) {
	t.Parallel()
	s := postgrestest.Start(t, "shared_preload_libraries=pg_stat_statements")
	url := s.URL("postgres")
	db := connect(t, url)
	postgrestest.Exec(t, url, `create extension pg_stat_statements;
		create table robots (id int primary key, status text, zone text, note text);
		insert into robots select i, 'online', 'z' || i % 50, repeat('x', 200) from generate_series(1, 20000) i;
		create index by_zone on robots (zone); create index by_zone_too on robots (zone); create index by_id on robots (id); analyze`)

	t.Run("slow statements", func(t *testing.T) {
		fast := &slow{db, slowParams{Below: 20 * time.Millisecond, Calls: 10, Show: 5}}
		postgrestest.Exec(t, url, "select pg_stat_statements_reset()")
		comes(t, fast, evidence.Unknown, "no statement has run 10 times")
		postgrestest.Exec(t, url, "do $$ begin for i in 1..12 loop perform pg_sleep(0.001); end loop; end $$;"+strings.Repeat("select pg_sleep(0.03);", 10))
		comes(t, fast, evidence.Fail, "on average of 10: select pg_sleep($1)")
		comes(t, &slow{db, slowParams{Below: time.Hour, Calls: 10, Show: 5}}, evidence.Pass)
		postgrestest.Exec(t, url, "create role other;"+strings.Repeat("alter role other password 'a secret of tests';", 10))
		if r := fast.Read(t.Context()); strings.Contains(string(r.Raw)+r.Detail, "secret") {
			t.Errorf("it shows a password: %s %s", r.Detail, r.Raw)
		}
	})
	t.Run("without the extension", func(t *testing.T) {
		comes(t, &slow{connect(t, server.Database(t)), slowParams{Below: time.Second, Calls: 10, Show: 5}}, evidence.Unknown, "it needs pg_stat_statements in shared_preload_libraries")
	})
	t.Run("indexes", func(t *testing.T) {
		check := &indexes{db, indexParams{Rows: 10_000, Scans: 50, Size: 8 << 10}}
		comes(t, check, evidence.Fail, "public.by_zone_too on public.robots is there twice (as by_zone)", "public.by_id on public.robots is there twice (as robots_pkey)")
		postgrestest.Exec(t, url, "set max_parallel_workers_per_gather = 0;"+strings.Repeat("select count(*) from robots where status = 'offline';", 60))
		comes(t, check, evidence.Fail, "public.robots lacks an index (", "rows each, 0 by index; statements filter by status)", "public.by_zone on public.robots is unused")
		// What is put right is told of no more.
		postgrestest.Exec(t, url, `drop index by_zone, by_zone_too, by_id; select pg_stat_reset(); create index by_status on robots (status);
			set enable_seqscan = off;`+strings.Repeat("select count(*) from robots where status = 'offline';", 60))
		comes(t, check, evidence.Pass)
	})
	t.Run("cache", func(t *testing.T) {
		check := &cacheUse{db, cacheParams{Above: 90, Blocks: 1000}}
		postgrestest.Exec(t, url, "create table large as select i, repeat('y', 800) as text from generate_series(1, 40000) i")
		// Sessions that have ended may tell their counts a moment later.
		for deadline := time.Now().Add(30 * time.Second); check.Read(t.Context()).Verdict != evidence.Unknown && time.Now().Before(deadline); {
			postgrestest.Exec(t, url, "select pg_stat_reset()")
		}
		comes(t, check, evidence.Unknown, "blocks were asked for so far, of 1000 that it takes to tell")
		postgrestest.Exec(t, url, "set max_parallel_workers_per_gather = 0;"+strings.Repeat("select count(*) from large;", 3)) // twice as much as there is room for
		comes(t, check, evidence.Fail, "blocks were not in shared buffers")
		postgrestest.Exec(t, url, "select pg_stat_reset();"+strings.Repeat("select count(*) from robots where id < 100;", 2000))
		comes(t, check, evidence.Pass)
	})
}
