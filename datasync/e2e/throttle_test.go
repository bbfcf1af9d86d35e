package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/state"
)

const throttled = `
segue: v1
name: sync
connections:
  a: {postgres: {url: "${A}"}}
  b: {postgres: {url: "${B}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once: {from: a, read: {table: things}, to: b, write: {table: things}, key: [id], version: v, batch-size: 100, %s}
`

// thousand are two databases, of which one has a thousand things.
func thousand(t *testing.T, a, b string) {
	t.Helper()
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(1, 1000) x")
	postgrestest.Exec(t, b, things)
}

// A throttle is a sync that is carried out, and what it tells meanwhile.
type throttle struct {
	mu    sync.Mutex
	last  string
	notes []string // each other than the one before
	ended chan error
	after state.Fields
}

func startThrottled(t *testing.T, text string, env map[string]string) *throttle {
	t.Helper()
	a := drivertest.Make(t, text, env, parts()...).Actions["sync"]
	th := &throttle{ended: make(chan error, 1)}
	e := (&life{}).effect(a, t)
	ctx := th.listen(t.Context())
	go func() {
		after, err := a.Apply(ctx, e)
		th.after = after[a.Resources()[0].ID]
		th.ended <- err
	}()
	return th
}

// listen is a context in which it hears what a sync tells.
func (th *throttle) listen(ctx context.Context) context.Context {
	return driver.WithProgress(ctx, func(p driver.Progress) {
		th.mu.Lock()
		defer th.mu.Unlock()
		if p.Note != th.last {
			th.notes = append(th.notes, p.Note)
		}
		th.last = p.Note
	})
}

// said reports whether a note has had some words.
func (th *throttle) said(words string) bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	return strings.Contains(strings.Join(th.notes, "\n"), words)
}

// paused reports whether it pauses just now, and says so in some words.
func (th *throttle) paused(words string) bool {
	th.mu.Lock()
	defer th.mu.Unlock()
	return strings.HasPrefix(th.last, "pausing: ") && strings.Contains(th.last, words)
}

// end waits for the end, and gives how long it paused and why.
func (th *throttle) end(t *testing.T) (paused time.Duration, because string) {
	t.Helper()
	select {
	case err := <-th.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
	var text string
	if raw := th.after["paused"]; raw != nil {
		if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		var err error
		if paused, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(th.after["because"], &because); err != nil {
			t.Fatal(err)
		}
	}
	return paused, because
}

// locked has a session keep others from writing to a table until free is called,
// with the test's end at the latest. It takes no transaction's number: whoever
// makes a slot waits for all that have one.
func locked(t *testing.T, db, table string) (free func()) {
	t.Helper()
	ctx := context.Background() // the test's own may have ended
	holder, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(ctx, "begin; lock table "+table+" in exclusive mode"); err != nil {
		t.Fatal(err)
	}
	free = sync.OnceFunc(func() { _ = holder.Close(ctx) })
	t.Cleanup(free)
	return free
}

// blocked has a session wait for a table that another one holds, until free is
// called.
func blocked(t *testing.T, db string) (free func()) {
	t.Helper()
	postgrestest.Exec(t, db, "create table held (n int)")
	release := locked(t, db, "held")
	ctx := context.Background()
	waiter, err := pgx.Connect(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		_, _ = waiter.Exec(ctx, "insert into held values (1)")
		_ = waiter.Close(ctx)
	}()
	free = sync.OnceFunc(func() { release(); <-waited })
	t.Cleanup(free)
	awaitWaiting(t, db)
	return free
}

// awaitWaiting waits until a session waits for a lock.
func awaitWaiting(t *testing.T, db string) {
	t.Helper()
	await(t, "a session waits", func() bool {
		return postgrestest.Value(t, db, "select count(*) from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()") == "1"
	})
}

func TestNothingIsReadWhileSessionsWaitForLocks(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]string{"streams": "lock-waits: 1", "records": "lock-waits: 1, deleted: record.v < 0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := server.Database(t), server.Database(t)
			thousand(t, a, b)
			free := blocked(t, a)
			th := startThrottled(t, fmt.Sprintf(throttled, how), map[string]string{"A": a, "B": b})
			await(t, "it says why it pauses", func() bool {
				return th.said("pausing: 1 sessions of the source wait for locks, and lock-waits is 1")
			})
			if n := postgrestest.Value(t, b, "select count(*) from things"); n != "0" {
				t.Errorf("%s records came over meanwhile", n)
			}
			free()
			if paused, because := th.end(t); paused == 0 || !strings.Contains(because, "wait for locks") {
				t.Errorf("it paused for %s because %q", paused, because)
			}
			equal(t, a, b, thingsSum)
		})
	}
}

// The controls: without a cause nothing is held up, and as many as are borne are
// no cause.
func TestASyncThatIsNoBurdenIsNotHeldUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		how   string
		block bool
	}{
		"nobody waits":       {"lock-waits: 1, slow-above: 1m, replica-lag: 1m", false},
		"fewer wait":         {"lock-waits: 2", true},
		"nothing is asked":   {"bears: 0", true},
		"records one by one": {"lock-waits: 1, slow-above: 1m, replica-lag: 1m, deleted: record.v < 0", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := server.Database(t), server.Database(t)
			thousand(t, a, b)
			if c.block {
				blocked(t, a)
			}
			th := startThrottled(t, fmt.Sprintf(throttled, c.how), map[string]string{"A": a, "B": b})
			if paused, because := th.end(t); paused != 0 || because != "" || th.said("pausing") {
				t.Errorf("it paused for %s because %q, and said %q", paused, because, th.notes)
			}
			equal(t, a, b, thingsSum)
		})
	}
}

// A source that takes long for a page is asked more seldom, until it is quick
// again.
func TestASlowSourceIsAskedMoreSeldom(t *testing.T) {
	t.Parallel()
	const pages = "slow-above: 20ms"
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		for name, how := range map[string]string{"streams": pages, "records": pages + ", deleted: record.v < 0"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a, b := server.Database(t), server.Database(t)
				thousand(t, a, b)
				proxy, addr := newFlaky(t, server.Server(t).Addr())
				proxy.slow.Store(true)
				th := startThrottled(t, fmt.Sprintf(throttled, how), map[string]string{"A": through(t, a, addr), "B": b})
				await(t, "it says why it pauses", func() bool { return th.said("for a page, and slow-above is 20ms") })
				proxy.slow.Store(false)
				if paused, because := th.end(t); paused == 0 || !strings.Contains(because, "for a page") {
					t.Errorf("it paused for %s because %q", paused, because)
				}
				equal(t, a, b, thingsSum)
			})
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		t.Parallel()
		legacy, db := newRobots(t, fleet(400)...), server.Database(t)
		postgrestest.Exec(t, db, table)
		to, err := url.Parse(legacy.URL)
		if err != nil {
			t.Fatal(err)
		}
		var slow atomic.Bool
		slow.Store(true)
		pass := httputil.NewSingleHostReverseProxy(to)
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() {
				time.Sleep(slowness)
			}
			pass.ServeHTTP(w, r)
		}))
		t.Cleanup(front.Close)
		th := startThrottled(t, toTable+"          slow-above: 20ms\n", map[string]string{"LEGACY": front.URL, "DB": db})
		await(t, "it says why it pauses", func() bool { return th.said("for a page, and slow-above is 20ms") })
		slow.Store(false)
		if paused, because := th.end(t); paused == 0 || !strings.Contains(because, "for a page") {
			t.Errorf("it paused for %s because %q", paused, because)
		}
		if n := postgrestest.Value(t, db, "select count(*) from robots"); n != "400" {
			t.Errorf("%s robots came over, want 400", n)
		}
	})
}
