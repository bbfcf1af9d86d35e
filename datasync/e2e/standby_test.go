package e2e

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

const keptUp = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.continuous: {from: a, read: {table: things}, to: b, write: {table: things}, key: [id], version: v, every: 10ms, replica-lag: ${LAG}}
`

// A standby that does not go on holds a sync up; when it goes on, so does the
// sync. One that keeps up, the control, holds nobody up.
func TestNothingIsReadWhileAStandbyIsBehind(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t)
	standby := primary.Standby(t).URL("postgres")
	a, b, c := primary.URL("postgres"), server.Database(t), server.Database(t)
	thousand(t, a, b)
	postgrestest.Exec(t, c, things)
	postgrestest.Exec(t, a, "create role reader login password 'of a test'; grant select on things to reader")
	u, err := url.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("reader", "of a test")

	hurried := drivertest.Make(t, strings.Replace(keptUp, "${LAG}", "300ms", 1), map[string]string{"A": u.String(), "B": b}, parts()...).Actions["sync"].(driver.Background)
	l := &life{}
	if _, err := hurried.Apply(t.Context(), l.effect(hurried, t)); err == nil || !strings.Contains(err.Error(), "grant it pg_monitor") {
		t.Fatalf("who may not see the standby is told %v", err)
	}
	postgrestest.Exec(t, a, "grant pg_monitor to reader")
	if _, err := hurried.Apply(t.Context(), l.effect(hurried, t)); err != nil {
		t.Fatal(err)
	}
	th := &throttle{}
	ctx, cancel := context.WithCancel(th.listen(t.Context()))
	ended := make(chan error, 1)
	e := l.effect(hurried, t)
	go func() { ended <- hurried.Run(ctx, e) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	running(t, strings.Replace(keptUp, "${LAG}", "1h", 1), map[string]string{"A": a, "B": c})
	over := func(db, id string) bool {
		return postgrestest.Value(t, db, "select count(*) from things where id = "+id) == "1"
	}

	postgrestest.Exec(t, a, "insert into things values (5001, 1, null, 1)")
	await(t, "it goes on", func() bool { return over(b, "5001") })
	postgrestest.Exec(t, standby, "select pg_wal_replay_pause()")
	await(t, "replay is paused", func() bool {
		return postgrestest.Value(t, standby, "select pg_get_wal_replay_pause_state()") == "paused"
	})
	postgrestest.Exec(t, a, "insert into things values (5002, 1, null, 1)")
	await(t, "it says why it pauses", func() bool { return th.paused("a replica of the source is ") })
	postgrestest.Exec(t, a, "insert into things values (5003, 1, null, 1)")
	await(t, "who bears more lag has it over", func() bool { return over(c, "5003") })
	if over(b, "5003") {
		t.Error("it was brought over while the standby was behind")
	}
	postgrestest.Exec(t, standby, "select pg_wal_replay_resume()")
	await(t, "it goes on", func() bool { return over(b, "5003") && !th.paused("") })
	equal(t, a, b, thingsSum)
	equal(t, a, c, thingsSum)
}
