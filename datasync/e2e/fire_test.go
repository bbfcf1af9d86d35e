package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/internal/soak"
)

// flaky passes connections on, and breaks those that there are when it is told to.
type flaky struct {
	to    string
	slow  atomic.Bool // what comes back takes its time
	mu    sync.Mutex
	conns []net.Conn
}

func newFlaky(t *testing.T, to string) (f *flaky, addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f = &flaky{to: to}
	var serving sync.WaitGroup
	serving.Go(func() { f.serve(l) })
	t.Cleanup(func() { _ = l.Close(); f.breakAll(); serving.Wait() })
	return f, l.Addr().String()
}

func (f *flaky) breakAll() (broken int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	broken = len(f.conns)
	f.conns = nil
	return broken
}

// slowness is how long what is slow takes.
const slowness = 40 * time.Millisecond

// late hands on what it reads after a while.
type late struct {
	net.Conn
	slow *atomic.Bool
}

func (l late) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.slow.Load() {
		time.Sleep(slowness)
	}
	return n, err
}

func (f *flaky) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp4", f.to) //nolint:noctx // of a test
		if err != nil {
			_ = in.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, in, out)
		f.mu.Unlock()
		pass := func(to io.WriteCloser, from io.ReadCloser) {
			_, _ = io.Copy(to, from)
			_ = to.Close()
			_ = from.Close()
		}
		go pass(in, late{out, &f.slow})
		go pass(out, in)
	}
}

// through is a database's URL by way of a proxy.
func through(t *testing.T, database, addr string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = addr
	return u.String()
}

// Connections of both sides break, again and again, while others write: in the
// end both sides are equal.
func TestConnectionsThatBreakLoseNothing(t *testing.T) {
	t.Parallel()
	a, b := server.Database(t), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(100000, 104000) x")
	postgrestest.Exec(t, b, things)
	proxy, addr := newFlaky(t, server.Server(t).Addr())
	ctx, calm := context.WithCancel(t.Context())
	wait := writersUntil(ctx, t, a, 2, math.MaxInt)
	running(t, followThings, map[string]string{"A": through(t, a, addr), "B": through(t, b, addr)})
	for range 4 {
		before := postgrestest.Value(t, b, thingsSum)
		await(t, "something gets through", func() bool { return postgrestest.Value(t, b, thingsSum) != before })
		if proxy.breakAll() == 0 {
			t.Error("there was no connection to break: the test shows nothing")
		}
	}
	calm()
	wait()
	equal(t, a, b, thingsSum)
}

// The process that syncs is killed again and again, and the source is started
// anew, while others write.
func TestAProcessThatIsKilledAndASourceThatIsRestartedLoseNothing(t *testing.T) {
	if !soak.On() {
		t.Skip("it takes its time: make soak")
	}
	t.Parallel()
	source := postgrestest.Start(t)
	a, b := source.URL("postgres"), server.Database(t)
	postgrestest.Exec(t, a, things+"; insert into things select x, x, null, 0 from generate_series(100000, 150000) x")
	postgrestest.Exec(t, b, things)
	env := map[string]string{"A": a, "B": b}
	cursor := filepath.Join(t.TempDir(), "cursor")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := writersUntil(ctx, t, a, 3, math.MaxInt)
	began := time.Now()
	for kill := range 20 {
		h := follower(t, env, cursor)
		time.Sleep(200*time.Millisecond + rand.N(1200*time.Millisecond)) //nolint:gosec // of a test
		if kill%7 == 3 {
			source.Kill(t)
			source.Restart(t)
		}
		_ = h.Process.Kill()
		_ = h.Wait()
	}
	cancel()
	wait()
	h := follower(t, env, cursor)
	defer func() { _ = h.Process.Kill(); _ = h.Wait() }()
	equal(t, a, b, thingsSum)
	var at struct {
		Read int64
		Done bool
	}
	raw, err := os.ReadFile(cursor) //nolint:gosec // of this test
	if err != nil || json.Unmarshal(raw, &at) != nil || !at.Done || at.Read < 60_000 {
		t.Errorf("the cursor is %s (%v): the test is too short to show anything", raw, err)
	}
	t.Logf("killed 20 times in %s, %d records and changes read", time.Since(began).Round(time.Second), at.Read)
}

// follower starts a process that applies and runs the sync from a cursor in a
// file, as a run does from its journal.
func follower(t *testing.T, env map[string]string, cursor string) *exec.Cmd {
	t.Helper()
	given, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperFollows$") //nolint:gosec,noctx // this very test
	cmd.Env = append(os.Environ(), "FOLLOW_CURSOR="+cursor, "STEP_ENV="+string(given))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestHelperFollows is the process of follower.
func TestHelperFollows(t *testing.T) {
	file := os.Getenv("FOLLOW_CURSOR")
	if file == "" {
		t.Skip("it is for others")
	}
	var env map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("STEP_ENV")), &env); err != nil {
		t.Fatal(err)
	}
	f := drivertest.Make(t, followThings, env, parts()...).Actions["sync"].(driver.Background)
	l := &life{}
	if raw, err := os.ReadFile(file); err == nil { //nolint:gosec // of this test
		l.cursor = bytes.TrimSpace(raw)
	}
	effect := func() driver.Effect {
		e := l.effect(f, t)
		e.Save = func(_ context.Context, c any) error {
			raw, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if err := os.WriteFile(file+".new", raw, 0o600); err != nil {
				return err
			}
			l.cursor = raw
			return os.Rename(file+".new", file)
		}
		return e
	}
	if _, err := f.Apply(t.Context(), effect()); err != nil {
		fmt.Println(err)
		os.Exit(1) // it is started again
	}
	if err := f.Run(t.Context(), effect()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Pages that come twice, out of order and from a clock that is off change
// nothing: the newest of each record counts.
func TestRecordsThatComeTwiceLateOrByAClockThatIsOff(t *testing.T) {
	t.Parallel()
	const robots, versions = 40, 25
	db := server.Database(t)
	postgrestest.Exec(t, db, table)
	list := make([]map[string]any, 0, 2*robots*versions)
	newest := map[string]string{}
	for i := range robots {
		// Each robot has a clock of its own, years off.
		begin := time.Date(1990+i, 1, 1, 0, 0, 0, 0, time.UTC)
		for v := range versions {
			r := fleet(robots)[i]
			r["last_seen"], r["ssh_port"] = begin.Add(time.Duration(v)*time.Second).Format(time.RFC3339), v
			list = append(list, r, r)
		}
		newest[fleet(robots)[i]["id"].(string)] = fmt.Sprint(versions - 1)
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	legacy := newRobots(t, list...)
	apply(t, toTable, map[string]string{"LEGACY": legacy.URL, "DB": db})
	got := postgrestest.Value(t, db, fmt.Sprintf("select count(*) || ' ' || count(*) filter (where ssh_port = %d) from robots", versions-1))
	if want := fmt.Sprintf("%d %d", robots, robots); got != want {
		t.Errorf("%s robots have their newest version, want %s", got, want)
	}
}
