package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
)

func TestPingPassesWithinItsBoundAndFailsBeyond(t *testing.T) {
	db := connect(t, server.Server(t).URL("postgres"))
	if r := (&ping{db, 5 * time.Second}).Read(t.Context()); r.Verdict != evidence.Pass {
		t.Errorf("within its bound: %+v", r)
	}
	if r := (&ping{db, time.Nanosecond}).Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "a round trip took") {
		t.Errorf("beyond its bound: %+v", r)
	}
}

func TestChecksOfAServerThatStopsOrHangs(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	db, err := open(t.Context(), connParams{URL: s.URL("postgres"), Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	look := func(t *testing.T, pinged, pool, age evidence.Verdict) {
		t.Helper()
		if r := (&ping{db, time.Minute}).Read(t.Context()); r.Verdict != pinged {
			t.Errorf("ping: %+v, want %v", r, pinged)
		}
		if r := (&poolUse{db, 80}).Read(t.Context()); r.Verdict != pool {
			t.Errorf("pool: %+v, want %v", r, pool)
		}
		if r := (&backupAge{db, backupAgeParams{Query: "select now()", NewerThan: time.Hour}}).Read(t.Context()); r.Verdict != age {
			t.Errorf("backup-age: %+v, want %v", r, age)
		}
	}
	s.Stop(t)
	t.Run("stopped: a health check fails, a measurement is unknown", func(t *testing.T) {
		look(t, evidence.Fail, evidence.Unknown, evidence.Unknown)
	})
	s.Restart(t)
	db.timeout = 10 * time.Second
	t.Run("back again", func(t *testing.T) { look(t, evidence.Pass, evidence.Pass, evidence.Pass) })
	s.Freeze(t)
	defer s.Thaw()
	db.timeout = 300 * time.Millisecond
	t.Run("frozen: they do not hang", func(t *testing.T) {
		began := time.Now()
		look(t, evidence.Fail, evidence.Unknown, evidence.Unknown)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("three checks of a frozen server took %s", took)
		}
	})
}

func TestPoolFailsWhenNoConnectionIsLeft(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, `drop role if exists one; create role one login password 'one' connection limit 1`)
	db := connect(t, strings.Replace(url, postgrestest.User+":pg%2Fsecret+of%20tests@", "one:one@", 1))
	if r := (&poolUse{db, 0.001}).Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "of 40 connections") {
		t.Errorf("over its bound: %+v", r)
	}
	other := connect(t, strings.Replace(url, postgrestest.User+":pg%2Fsecret+of%20tests@", "one:one@", 1))
	if r := (&poolUse{other, 80}).Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "no connection is left") {
		t.Errorf("none left: %+v", r)
	}
}

func TestPoolCountsTheSessionsOfOthers(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	postgrestest.Exec(t, s.URL("postgres"), `create role lowly login password 'lowly'`)
	for range 3 {
		db := connect(t, s.URL("template1"))
		conn, err := db.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Release)
	}
	db := connect(t, strings.Replace(s.URL("postgres"), postgrestest.User+":pg%2Fsecret+of%20tests@", "lowly:lowly@", 1))
	if r := (&poolUse{db, 80}).Read(t.Context()); r.Value != "10 % (4 of 40)" {
		t.Errorf("three sessions of another role and its own: %+v", r)
	}
}

func TestBackupAgeByFilesCountsTheNewest(t *testing.T) {
	type file struct {
		name string
		age  time.Duration
		text string
	}
	for name, c := range map[string]struct {
		files   []file
		pattern string
		want    evidence.Verdict
		detail  string
	}{
		"a new one among old ones":      {[]file{{"a.dump", 90 * time.Hour, "x"}, {"b.dump", time.Hour, "x"}, {"c.dump", 30 * time.Hour, "x"}}, "*.dump", evidence.Pass, ""},
		"only old ones":                 {[]file{{"a.dump", 90 * time.Hour, "x"}, {"b.dump", 7 * time.Hour, "x"}}, "*.dump", evidence.Fail, "the newest of 2 backups (b.dump) is 7h0m0s old"},
		"none":                          {nil, "*", evidence.Fail, "there is no backup at all"},
		"a new file of another kind":    {[]file{{"a.dump", 90 * time.Hour, "x"}, {"b.log", time.Minute, "x"}}, "*.dump", evidence.Fail, "is 90h0m0s old"},
		"a new one that is half-done":   {[]file{{".partial-a~12", 0, "x"}, {".b.dump", 0, "x"}, {"a.dump", 7 * time.Hour, "x"}}, "*", evidence.Fail, "the newest of 1 backups (a.dump)"},
		"a new one that is empty":       {[]file{{"a.dump", 0, ""}}, "*.dump", evidence.Fail, "there is no backup at all"},
		"in a directory of its day":     {[]file{{"mon/a.dump", 30 * time.Hour, "x"}, {"tue/a.dump", time.Hour, "x"}}, "*.dump", evidence.Pass, ""},
		"only in the directory meant":   {[]file{{"mon/a.dump", 30 * time.Hour, "x"}, {"tue/a.dump", time.Hour, "x"}}, "mon/*.dump", evidence.Fail, "(mon/a.dump) is 30h0m0s old"},
		"from the future":               {[]file{{"a.dump", -time.Hour, "x"}}, "*", evidence.Unknown, "a clock is wrong"},
		"a directory that is not there": {[]file{}, "gone", evidence.Unknown, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				path := filepath.Join(dir, f.name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
					t.Fatal(err)
				}
				at := time.Now().Add(-f.age)
				if err := os.Chtimes(path, at, at); err != nil {
					t.Fatal(err)
				}
			}
			if c.pattern == "gone" {
				dir = filepath.Join(dir, "gone")
			}
			r := (&backupAge{nil, backupAgeParams{Dir: dir, Pattern: c.pattern, NewerThan: 6 * time.Hour}}).Read(t.Context())
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v because %q", r, c.want, c.detail)
			}
		})
	}
}

func TestBackupAgeByQueryCountsTheNewest(t *testing.T) {
	db := connect(t, server.Database(t))
	for name, c := range map[string]struct {
		query string
		want  evidence.Verdict
	}{
		"the newest is not the first":   {"values (now() - interval '3 days'), (now() - interval '1 hour'), (null), (now() - interval '2 days')", evidence.Pass},
		"all are old":                   {"values (now() - interval '3 days'), (now() - interval '7 hours')", evidence.Fail},
		"no rows":                       {"select now() where false", evidence.Fail},
		"only NULL":                     {"select null::timestamptz", evidence.Fail},
		"not a timestamp":               {"select 'yesterday'", evidence.Unknown},
		"infinity":                      {"select 'infinity'::timestamptz", evidence.Unknown},
		"no column":                     {"select", evidence.Unknown},
		"a table that is not there":     {"select done_at from backups", evidence.Unknown},
		"a timestamp without time zone": {"select (now() at time zone 'UTC') - interval '1 hour'", evidence.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			r := (&backupAge{db, backupAgeParams{Query: c.query, NewerThan: 6 * time.Hour}}).Read(t.Context())
			if r.Verdict != c.want {
				t.Errorf("%+v, want %v", r, c.want)
			}
		})
	}
}

func TestBackupParamsNeedOneSource(t *testing.T) {
	for name, c := range map[string]struct {
		p    backupAgeParams
		want string
	}{
		"a directory":            {backupAgeParams{Dir: "/b"}, ""},
		"a query":                {backupAgeParams{On: "db", Query: "select 1"}, ""},
		"neither":                {backupAgeParams{}, "dir: the backups are found either in dir or by query"},
		"both":                   {backupAgeParams{Dir: "/b", On: "db", Query: "select 1"}, "dir: the backups are found either in dir or by query"},
		"a query of nobody":      {backupAgeParams{Query: "select 1"}, "on: query needs a database to ask"},
		"a pattern that is none": {backupAgeParams{Dir: "/b", Pattern: "[a"}, `pattern: "[a" is no pattern`},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.p.Validate(); err != nil {
				got = fmt.Sprint(err)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
