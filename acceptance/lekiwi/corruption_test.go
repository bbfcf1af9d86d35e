package acceptance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/internal/soak"
)

// Rows are corrupted under the fleet's writes, twice: each time nobody is served
// by them any more, the last good bundle takes their place, and all that was
// committed since is there. What was damaged stays for whoever wants to know.
func TestDamagedRowsAreReplacedByTheLastGoodBundle(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 300, 120, 60)
	r := w.segue.Begin(t, runbookFile(), set("canary-soak=10m")...)
	for i, session := range []string{"first", "second"} {
		if i > 0 {
			// While services were kept out some requests that were on their way failed:
			// a guard that begins anew would see that.
			w.served(t, "errors-few")
			w.segue.Must(t, 0, "resume", "--run", r.ID, "--wait", "0s", "--as", "dora")
			r = w.segue.GoOn(t, r.ID)
		}
		r.Gate("canary")
		// Sessions that the bundle does not have: one has ended, one goes on.
		w.onDatabase(t, func(ctx context.Context, conn *pgx.Conn) {
			_, err := conn.Exec(ctx, `INSERT INTO teleoperation_sessions (id, robot_id, operator, source, ended_at)
				VALUES ($1 || '-ended', $1, 'ann', 'operator', now()), ($1 || '-open', $1, 'ann', 'operator', NULL)`, session)
			runtest.Check(t, err)
		})
		heard := "SELECT (count(*) > 80)::text FROM events WHERE recorded_at > (SELECT started_at FROM migration_phases WHERE phase = '2' ORDER BY started_at DESC LIMIT 1)"
		runtest.Await(t, time.Minute, "events since the bundle", func() bool { return w.value(t, w.sys.Env.DatabaseURL, heard) == "true" })
		w.corrupt(t)
		w.restored(t, r)
		if got := w.value(t, w.sys.Env.DatabaseURL, `SELECT string_agg(id, ' ' ORDER BY id) FROM teleoperation_sessions WHERE robot_id = '`+session+`' AND (ended_at IS NULL) = (id LIKE '%open')`); got != session+"-ended "+session+"-open" {
			t.Errorf("of the sessions since the bundle there are %q", got)
		}
	}
	if got := w.value(t, w.sys.Env.ServerURL, "SELECT count(*)::text FROM pg_database WHERE datname LIKE 'lekiwi_damaged%'"); got != "2" {
		t.Errorf("%s damaged databases are kept, want 2", got)
	}
	w.count(t, true)
	// The tracker has read the edge's log anew from where the bundle ended.
	var lines, rows string
	defer func() { t.Logf("the edge has answered %s requests, of which %s are tracked", lines, rows) }()
	runtest.Await(t, time.Minute, "the tracker to have each request once", func() bool {
		lines, rows = w.edgeRequests(t), w.value(t, w.sys.Env.DatabaseURL, "SELECT count(*)::text FROM request_logs")
		return lines == rows
	})
}

// restored wants the guard to see the corrupt rows, and the bundle to take their
// place in the time that is promised.
func (w *world) restored(t *testing.T, r *runtest.Run) {
	t.Helper()
	fired := r.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	if g := fired.Event.(engine.GuardTripped); g.Guard != "rows-at-10" || g.To != "data_corruption" {
		t.Errorf("tripped: %s to %s", g.Guard, g.To)
	}
	served := r.Until("traffic", runtest.Is(func(ev engine.StepDone) bool { return strings.HasSuffix(ev.Step, "nobody-to-the-new-side") }))
	end := r.Until("its end", runtest.Is[engine.RollbackEnded](nil))
	if ev := end.Event.(engine.RollbackEnded); ev.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", ev.Result, ev.Why)
	}
	r.End(3)
	took := end.At.Sub(fired.At)
	if took > 10*time.Minute {
		t.Errorf("it took %s, promised are 10 minutes", took)
	}
	t.Logf("the old side serves all %s after the guard; all is verified after %s", served.At.Sub(fired.At).Round(time.Millisecond), took.Round(10*time.Millisecond))
	w.served(t, "none-served")
	w.noted(t, "1", 0, 0)
	const corrupt = "SELECT count(*)::text FROM robots WHERE ip_address = '0.0.0.0'"
	if got := w.value(t, w.sys.Env.DatabaseURL, corrupt); got != "0" {
		t.Errorf("%s rows are corrupt", got)
	}
	if got := w.value(t, w.sys.Env.DamagedURL, corrupt); got == "0" { // some robots have said again what is right
		t.Error("the corrupt rows are not kept")
	}
	last := w.value(t, w.sys.Env.DamagedURL, "SELECT max(seq)::text FROM events")
	events := "SELECT md5(string_agg(e::text, '' ORDER BY seq)) FROM events e WHERE seq <= " + last
	if was, is := w.value(t, w.sys.Env.DamagedURL, events), w.value(t, w.sys.Env.SuperURL, events); was != is {
		t.Errorf("the %s events that were committed are not those that are there", last)
	}
}

// value is the one that a query gives.
func (w *world) value(t *testing.T, url, query string) (out string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	runtest.Check(t, err)
	defer conn.Close(ctx)
	runtest.Check(t, conn.QueryRow(ctx, query).Scan(&out))
	return out
}

// edgeRequests counts the requests in NGINX's own log that a side has served.
func (w *world) edgeRequests(t *testing.T) string {
	t.Helper()
	f, err := os.Open(w.sys.Env.EdgeLog)
	runtest.Check(t, err)
	defer f.Close()
	n := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l struct{ Side string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Side != "" {
			n++
		}
	}
	runtest.Check(t, lines.Err())
	return strconv.Itoa(n)
}
