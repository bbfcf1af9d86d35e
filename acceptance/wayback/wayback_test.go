package wayback_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/internal/soak"
)

func TestMain(m *testing.M) { runtest.Main(m) }

// cutover brings all clients to the new side: they go where the route says.
const cutover = `
segue: v1
name: cutover
connections:
  old: {postgres: {url: "${OLD}"}}
  new: {postgres: {url: "${NEW}"}}
checks:
  on-old: {files.value: {path: "${ROUTE}", key: side, expect: value == "old"}}
  on-new: {files.value: {path: "${ROUTE}", key: side, expect: value == "new"}}
phases:
  - name: cutover
    steps:
      - name: Old to new
        sync.continuous: {from: old, read: {table: robots}, to: new, write: {table: robots}, key: [id], version: changed, mark: origin, HOW, drain: false}
      - name: New to old
        sync.continuous: {from: new, read: {table: robots}, to: old, write: {table: robots}, key: [id], version: changed, mark: origin, HOW, drain: DRAIN}
      - name: All clients to the new side
        files.yaml: {path: "${ROUTE}", set: {side: new}}
    gate: {hold: [on-new], for: 1h, every: 1s, deadline: 2h, then: pause}
    rollback: {verify: {within: 30s, checks: [on-old]}}
`

const (
	passes  = "every: 1h"    // none but the first: what the undo brings over is all that comes
	follows = "follow: true" // at once, as long as somebody carries the run out
)

// world is two databases and their clients.
type world struct {
	t        testing.TB
	old, new string
	server   *postgrestest.Server // of the new one
	route    string
	segue    *runtest.Segue
	run      *runtest.Run
	hours    int
}

// begin carries clients over to a database of another server.
func begin(t testing.TB, old, new *postgrestest.Server, how string, drain bool) *world {
	t.Helper()
	w := &world{t: t, server: new, route: filepath.Join(t.TempDir(), "route.yaml")}
	w.old, w.new = database(t, old), database(t, new)
	postgrestest.Exec(t, w.old, robots+"; insert into robots select 'r' || x, 0, timestamptz '2025-01-29 10:00Z', null from generate_series(1, 500) x")
	postgrestest.Exec(t, w.new, robots)
	runtest.Check(t, os.WriteFile(w.route, []byte("side: old\n"), 0o600))
	file := filepath.Join(t.TempDir(), "cutover.yaml")
	text := strings.NewReplacer("HOW", how, "DRAIN", fmt.Sprint(drain)).Replace(cutover)
	runtest.Check(t, os.WriteFile(file, []byte(text), 0o600))
	w.segue = runtest.New(t, []string{"OLD=" + w.old, "NEW=" + w.new, "ROUTE=" + w.route})
	w.run = w.segue.Begin(t, file)
	w.run.Gate("cutover")
	return w
}

var databases atomic.Int64

func database(t testing.TB, s *postgrestest.Server) string {
	t.Helper()
	name := fmt.Sprintf("side_%d", databases.Add(1))
	postgrestest.Exec(t, s.URL("postgres"), "create database "+name)
	return s.URL(name)
}

const robots = "create table robots (id text primary key, n bigint not null, changed timestamptz not null, origin text)"

// side is where clients are sent.
func (w *world) side() string {
	w.t.Helper()
	raw, err := os.ReadFile(w.route)
	runtest.Check(w.t, err)
	return map[string]string{"side: new": w.new, "side: old": w.old}[strings.TrimSpace(string(raw))]
}

// hour is a write a second for an hour, new robots and deletions among them, at
// the side that the route names.
func (w *world) hour() {
	w.t.Helper()
	w.hours++
	postgrestest.Exec(w.t, w.side(), fmt.Sprintf(`do $$ begin for s in %d..%d loop
		insert into robots values ('r' || mod(s * 7, 600), s, timestamptz '2025-01-29 10:00Z' + s * interval '1 s')
			on conflict (id) do update set n = excluded.n, changed = excluded.changed;
		if mod(s, 50) = 0 then commit; end if;
	end loop; end $$`, w.hours*3600-3599, w.hours*3600))
}

// lost are the robots that the old side lacks, or knows in an older version.
func (w *world) lost() string {
	w.t.Helper()
	const all = "select string_agg(id || ' ' || n || ' ' || changed, E'\\n' order by id) from robots"
	have := map[string]bool{}
	for row := range strings.Lines(postgrestest.Value(w.t, w.old, all)) {
		have[strings.TrimSpace(row)] = true
	}
	n, of := 0, 0
	for row := range strings.Lines(postgrestest.Value(w.t, w.new, all)) {
		if of++; !have[strings.TrimSpace(row)] {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, of)
}

// back waits until the run is all the way back.
func (w *world) back() {
	w.t.Helper()
	w.run.End(3)
	if side := w.side(); side != w.old {
		w.t.Errorf("clients are sent to %s", side)
	}
	if n := postgrestest.Value(w.t, w.new, "select (select count(*) from pg_replication_slots where database = current_database()) + (select count(*) from pg_publication)"); n != "0" {
		w.t.Errorf("%s slots and publications are left", n)
	}
}

// An hour of writes at the new side, and then segue rollback: the old side has
// them all. Without the drain it does not: that is what it is for, and that the
// comparison finds.
func TestAPlainRollbackLosesNothing(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	for _, c := range []struct {
		name, how    string
		drain, kill9 bool
		lost         string
	}{
		{"in passes", passes, true, false, "0 of 600"},
		{"in passes, without a drain", passes, false, false, "600 of 600"},
		{"in passes, killed", passes, true, true, "0 of 600"},
		{"following, killed", follows, true, true, "0 of 600"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := begin(t, server, server, c.how, c.drain)
			if c.kill9 {
				w.run.Kill()
			}
			w.hour()
			if c.kill9 {
				w.segue.Call(t, "rollback", "--wait", "0s")
				w.run = w.segue.GoOn(t, w.run.ID)
			} else {
				w.segue.Must(t, 0, "rollback")
			}
			w.back()
			told := strings.Contains(w.segue.Must(t, 0, "report", w.run.ID).Out, "drained")
			if told != c.drain {
				t.Errorf("the report says that it was drained: %t, want %t", told, c.drain)
			}
			if got := w.lost(); got != c.lost {
				t.Errorf("%s robots of the new side are not on the old one, want %s", got, c.lost)
			}
		})
	}
}

// status waits until segue status says something.
func (w *world) status(says string) {
	w.t.Helper()
	runtest.Await(w.t, runtest.Patience, "status: "+says, func() bool {
		return strings.Contains(w.segue.Must(w.t, 0, "status", w.run.ID).Out, says)
	})
}

// The new side is away when it is rolled back: clients are on the old one all the
// same, it is said that something may be missing, and a retry brings it over once
// the new side answers.
func TestARollbackWhoseNewSideIsAwayLosesNothingInTheEnd(t *testing.T) {
	t.Parallel()
	old, next := postgrestest.Start(t), postgrestest.Start(t)
	w := begin(t, old, next, follows, true)
	w.status("a rollback now\n  loses nothing: cutover/new-to-old is ")
	w.run.Kill()
	w.status("unless the undo of cutover/new-to-old can bring it over: not known as of ")
	w.hour()
	next.Stop(t)
	w.segue.Call(t, "rollback", "--wait", "0s")
	w.run = w.segue.GoOn(t, w.run.ID)
	w.run.Until("clients are back", runtest.Is(func(ev engine.UndoDone) bool { return ev.Step == "cutover/all-clients-to-the-new-side" }))
	w.run.Until("the rollback has failed", runtest.Is(func(ev engine.RollbackEnded) bool {
		return ev.Result == engine.RolledFail && strings.Contains(strings.Join(ev.Why, "; "), "what is still to come over is not known")
	}))
	if side := w.side(); side != w.old {
		t.Errorf("clients are sent to %s", side)
	}
	w.run.End(1)
	next.Restart(t)
	w.segue.Call(t, "retry", "--wait", "0s")
	w.run = w.segue.GoOn(t, w.run.ID)
	w.back()
	if got := w.lost(); got != "0 of 600" {
		t.Errorf("%s robots of the new side are not on the old one", got)
	}
}

// A way back that hangs is not known to have brought everything.
func TestAWayBackThatHangsIsNotFresh(t *testing.T) {
	if !soak.On() {
		t.Skip("it waits until nothing has come over for long enough: make soak")
	}
	t.Parallel()
	old, next := postgrestest.Start(t), postgrestest.Start(t)
	w := begin(t, old, next, follows, true)
	const fresh = "a rollback now\n  loses nothing: cutover/new-to-old is "
	w.status(fresh)
	next.Freeze(t)
	defer next.Thaw()
	w.status("a rollback now\n  may lose what was written since ")
	w.status(": it has not caught up since then")
	next.Thaw()
	w.status(fresh)
	next.Kill(t)
	w.status("it ended, and is started again: ")
	next.Restart(t)
	w.status(fresh)
	w.segue.Must(t, 0, "rollback")
	w.back()
}
