package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// session is a client's that calls itself app, and has run a statement.
func session(t testing.TB, url, app, statement string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = app
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.PgConn().Exec(t.Context(), statement).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// lives reports whether a session still does.
func lives(t testing.TB, conn *pgx.Conn) bool {
	t.Helper()
	_, err := conn.PgConn().Exec(t.Context(), "select 1").ReadAll()
	return err == nil
}

func TestSessionsAreCountedByState(t *testing.T) {
	url := server.Database(t)
	db := connect(t, url)
	name := db.name
	for range 3 {
		session(t, url, "app", "select 1")
	}
	session(t, url, "app", "begin")
	session(t, url, "other", "select 1")
	percent := func(p runbook.Percent) *runbook.Percent { return &p }
	for what, c := range map[string]struct {
		p    sessionsParams
		want evidence.Verdict
		text string
	}{
		"all":                {sessionsParams{whose: whose{App: "app", Database: name}, Fewer: new(5)}, evidence.Pass, "4 of 40 (10 %): 3 idle, 1 idle in transaction"},
		"too many":           {sessionsParams{whose: whose{App: "app", Database: name}, Fewer: new(4)}, evidence.Fail, "4 of 40"},
		"a share":            {sessionsParams{whose: whose{App: "app", Database: name}, Below: percent(11)}, evidence.Pass, "4 of 40"},
		"too large a share":  {sessionsParams{whose: whose{App: "app", Database: name}, Below: percent(10)}, evidence.Fail, "4 of 40"},
		"idle ones":          {sessionsParams{whose: whose{App: "app", Database: name, States: []string{"idle"}}, Fewer: new(4)}, evidence.Pass, "3 of 40 (8 %): 3 idle"},
		"in transaction":     {sessionsParams{whose: whose{Database: name, States: []string{"idle in transaction"}}, Fewer: new(2)}, evidence.Pass, "1 of 40"},
		"of another role":    {sessionsParams{whose: whose{Database: name, User: "nobody"}, Fewer: new(1)}, evidence.Pass, "0 of 40"},
		"for a long time":    {sessionsParams{whose: whose{Database: name}, For: time.Hour, Fewer: new(1)}, evidence.Pass, "0 of 40"},
		"of another program": {sessionsParams{whose: whose{Database: name, App: "other"}, Fewer: new(1)}, evidence.Fail, "1 of 40"},
	} {
		r := (&sessions{db, c.p}).Read(t.Context())
		if r.Verdict != c.want || !strings.HasPrefix(r.Value, c.text) || r.Bound == "" || (r.Verdict == evidence.Fail) != (r.Detail != "") {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestSessionsThatCannotBeSeenAreUnknown(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	url := s.URL("postgres")
	postgrestest.Exec(t, url, `create role lowly login password 'lowly'`)
	session(t, url, "app", "select 1")
	lowly := strings.Replace(url, postgrestest.User+":pg%2Fsecret+of%20tests@", "lowly:lowly@", 1)
	db := connect(t, lowly)
	check := &sessions{db, sessionsParams{whose: whose{States: []string{"idle"}}, Fewer: new(1000)}}
	if r := check.Read(t.Context()); r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "pg_read_all_stats") {
		t.Errorf("%+v", r)
	}
	postgrestest.Exec(t, url, `grant pg_read_all_stats to lowly`)
	if r := check.Read(t.Context()); r.Verdict != evidence.Pass {
		t.Errorf("%+v", r)
	}
	s.Stop(t)
	if r := check.Read(t.Context()); r.Verdict != evidence.Unknown {
		t.Errorf("of a server that is away: %+v", r)
	}
}

// longIdle are sessions that have been idle for a time.
func longIdle(t testing.TB, url, app string, n int, since time.Duration) []*pgx.Conn {
	t.Helper()
	var out []*pgx.Conn
	for range n {
		out = append(out, session(t, url, app, "select 1"))
	}
	await(t, url, fmt.Sprintf(`select count(*) >= %d from pg_stat_activity where application_name = '%s' and state = 'idle' and state_change < clock_timestamp() - interval '%d ms'`, n, app, since.Milliseconds()))
	return out
}

// await asks until a query says true.
func await(t testing.TB, url, query string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for postgrestest.Value(t, url, query) != "t" {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for: %s", query)
		}
	}
}

func TestTerminateIdleWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true, NothingToDisturb: true,
		World: func(t testing.TB) drivertest.World {
			url := server.Database(t)
			db := connect(t, url)
			longIdle(t, url, "app", 3, 10*time.Millisecond)
			return drivertest.World{
				Action: func() driver.Action {
					a, err := terminateOf(t.Context(), db, terminateParams{whose{Database: db.name, App: "app"}, 10 * time.Millisecond})
					if err != nil {
						t.Fatal(err)
					}
					return a
				},
			}
		},
	})
}

func TestTerminateIdleEndsTheseAlone(t *testing.T) {
	t.Parallel() // it has a server of its own
	s := postgrestest.Start(t)
	url := s.URL("postgres")
	db := connect(t, url)
	own := session(t, url, "segue", "select 1")
	open := session(t, url, "app", "begin")
	replication := session(t, url+"&replication=database", "replica", "select 1")
	busy := session(t, url, "busy", "select 1")
	ended := make(chan error, 1)
	go func() {
		_, err := busy.PgConn().Exec(t.Context(), "select pg_sleep(3)").ReadAll()
		ended <- err
	}()
	idle := longIdle(t, url, "app2", 3, 1010*time.Millisecond)
	a, err := newTerminate(t.Context(), db, terminateParams{For: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	undo, err := applied(t, a)
	if err != nil {
		t.Fatal(err)
	}
	for what, conn := range map[string]*pgx.Conn{"its own": own, "one in a transaction": open, "one that replicates": replication} {
		if !lives(t, conn) {
			t.Errorf("%s was ended", what)
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("one that works was ended: %v", err)
	}
	for _, conn := range idle {
		if lives(t, conn) {
			t.Error("an idle one lives")
		}
	}
	kept, ok := errors.AsType[*driver.Kept](undo())
	if !ok || !strings.HasPrefix(kept.What, "3 idle sessions") {
		t.Errorf("undo says %+v", kept)
	}
}

// applied plans and applies as a run does, and returns what undoes it.
func applied(t testing.TB, a driver.Action) (undo func() error, _ error) {
	t.Helper()
	ctx := t.Context()
	before, err := a.Observe(ctx)
	if err != nil {
		return nil, err
	}
	want, err := a.Plan(before)
	if s, ok := a.(driver.Surveyor); ok {
		others, serr := s.Survey(ctx)
		if serr != nil {
			return nil, serr
		}
		want, err = s.PlanAmong(before, others)
	}
	if err != nil {
		return nil, err
	}
	e := remembering(driver.Effect{Before: before, Want: want})
	_, err = a.Apply(ctx, *e)
	return func() error { return a.Undo(ctx, *e) }, err
}
