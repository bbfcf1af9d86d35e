package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/report"
)

// now are the inputs under which the doctor looks at a system that has one
// replica of each service.
func now(more ...string) []string {
	return set(append(more, "discoveries=1", "state-managers=1", "doctor-window=10s", "errors-above=1%", "idle-for=1s")...)
}

// Each emergency of the seed is caused, found by the doctor, and mended by the
// command that it names.
func TestEmergenciesAreFoundAndMended(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := &world{sys: systemUp(t)}
	w.segue = runtest.New(t, append(w.sys.Env.Pairs(), "PATH="+filepath.Dir(w.sys.Env.Bin)))
	w.burden(t, 200, 60, 40)
	t.Run("high error rate", w.highErrorRate)
	t.Run("connection exhaustion", w.connectionExhaustion)
	t.Run("Redis is full", w.redisFull)
	t.Run("complete failure", w.completeFailure)
	t.Run("a service does not start", w.serviceDown)
	t.Run("data inconsistency", w.inconsistent)
	t.Run("WebSockets drop", w.socketsDrop)
}

// diagnosis waits until the doctor sees an emergency, and gives the command that
// it names behind a finding.
func (w *world) diagnosis(t *testing.T, entry, finding string) (next string) {
	t.Helper()
	var last runtest.Result
	defer func() { t.Logf("segue doctor %s:\n%s", entry, last) }()
	runtest.Await(t, time.Minute, "the doctor to find "+entry, func() bool {
		last = w.segue.Call(t, append([]string{"doctor", runbookFile(), entry, "--json"}, now()...)...)
		var all report.Troubles
		if json.Unmarshal([]byte(last.Out), &all) != nil || last.Code != 1 {
			return false
		}
		for _, d := range all {
			for _, f := range d.Findings {
				if d.Is == report.Present && strings.Contains(f.Finding, finding) {
					next = f.Next
				}
			}
		}
		return next != ""
	})
	return next
}

// well waits until the doctor does not see it any more.
func (w *world) well(t *testing.T, entry string) {
	t.Helper()
	var last runtest.Result
	defer func() {
		if t.Failed() {
			t.Logf("segue doctor %s:\n%s", entry, last)
		}
	}()
	runtest.Await(t, time.Minute, "the doctor to find no "+entry, func() bool {
		last = w.segue.Call(t, append([]string{"doctor", runbookFile(), entry}, now()...)...)
		return last.Code == 0
	})
}

// carryOut does the first command of what the doctor names next; what stands
// behind a comma or a semicolon is for later.
func (w *world) carryOut(t *testing.T, next string, more ...string) {
	t.Helper()
	if _, after, look := strings.Cut(next, ".log, then "); look {
		next = after
	}
	command, _, _ := strings.Cut(strings.ReplaceAll(next, ";", ","), ",")
	argv := append(strings.Fields(strings.ReplaceAll(command, "$LEKIWI_DIR", w.sys.Env.Dir)), more...)
	for i, arg := range argv {
		if arg == "emergency.yaml" {
			argv[i] = filepath.Join(runtest.Root(), "examples", "lekiwi", arg)
		}
	}
	t.Log(strings.Join(argv, " "))
	switch argv[0] {
	case "segue":
		w.segue.Must(t, 0, append(argv[1:], "--as", "dora")...)
	case "lekiwi":
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, w.sys.Env.Bin, argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	default:
		t.Fatalf("%q is no command", next)
	}
}

func (w *world) highErrorRate(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan struct{})
	c := clients{keys: []string{"somebody"}, url: w.sys.Env.DiscoveryURLs[0]}
	go func() { defer close(asked); c.ask(ctx, 50) }()
	defer func() { stop(); <-asked }()
	w.faults(t, map[string]service.Fault{system.State: {Errors: 0.5}})
	next := w.diagnosis(t, "high-error-rate", "It is the state-manager")
	runtest.Check(t, w.sys.SetFaults(nil)) // what a restart would end
	w.carryOut(t, next)
	w.well(t, "high-error-rate")
}

func (w *world) connectionExhaustion(t *testing.T) {
	t.Run("nobody uses them", func(t *testing.T) {
		w.connect(t, func(context.Context, *pgx.Conn) error { return nil })
		w.carryOut(t, w.diagnosis(t, "connection-exhaustion", "idle for long"), "--set", "idle-for=1s")
		w.well(t, "connection-exhaustion")
	})
	t.Run("they are in use", func(t *testing.T) {
		begin := func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "BEGIN")
			return err
		}
		n := w.connect(t, begin)
		w.carryOut(t, w.diagnosis(t, "connection-exhaustion", "They are in use"))
		// It has taken a restart, and they come again.
		runtest.Check(t, w.sys.AwaitHealthy(t.Context()))
		w.hold(t, n, begin)
		w.well(t, "connection-exhaustion")
	})
}

// connect takes nearly all connections that PostgreSQL has left, until the test
// ends, and says how many these were.
func (w *world) connect(t *testing.T, and func(context.Context, *pgx.Conn) error) (n int) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, w.sys.Env.SuperURL)
	runtest.Check(t, err)
	runtest.Check(t, conn.QueryRow(ctx, "SELECT current_setting('max_connections')::int - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')").Scan(&n))
	runtest.Check(t, conn.Close(ctx))
	n -= 8 // some are the superuser's
	w.hold(t, n, and)
	return n
}

// hold keeps this many connections until the test ends.
func (w *world) hold(t *testing.T, n int, and func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx := t.Context()
	for range n {
		c, err := pgx.Connect(ctx, w.sys.Env.DatabaseURL)
		runtest.Check(t, err)
		t.Cleanup(func() { _ = c.Close(context.WithoutCancel(ctx)) }) // it may have been cut
		runtest.Check(t, and(ctx, c))
	}
}

func (w *world) redisFull(t *testing.T) {
	opt, err := redis.ParseURL(w.sys.Env.RedisURL)
	runtest.Check(t, err)
	client := redis.NewClient(opt)
	defer client.Close()
	runtest.Check(t, client.ConfigSet(t.Context(), "maxmemory", "20mb").Err())
	block := strings.Repeat("x", 1<<20)
	for i := range 18 {
		runtest.Check(t, client.Set(t.Context(), fmt.Sprintf("robot:stray-%d", i), block, 0).Err())
	}
	w.carryOut(t, w.diagnosis(t, "redis-full", "do not expire"), "--set", "ttl=1s")
	w.well(t, "redis-full")
	for i := range 18 {
		runtest.Check(t, client.Set(t.Context(), fmt.Sprintf("robot:stray-%d", i), block, time.Hour).Err())
	}
	w.carryOut(t, w.diagnosis(t, "redis-full", "expires by itself"))
	w.well(t, "redis-full")
	for i := range 18 {
		runtest.Check(t, client.Del(t.Context(), fmt.Sprintf("robot:stray-%d", i)).Err())
	}
}

func (w *world) completeFailure(t *testing.T) {
	for _, name := range []string{system.Instance(system.Discovery, 0), system.Instance(system.Legacy, 0)} {
		runtest.Check(t, w.sys.StopProcess(t.Context(), name))
	}
	w.carryOut(t, w.diagnosis(t, "complete-failure", "does not answer either"))
	if !w.sys.LegacyHealthy(t.Context()) {
		t.Fatal("the old system is not there")
	}
	if next := w.diagnosis(t, "complete-failure", "The old system is there"); !strings.HasPrefix(next, "segue rollback emergency") {
		t.Errorf("next is %q", next) // carried out by TestEachTargetFromEachPhase
	}
	runtest.Check(t, w.sys.StartProcess(t.Context(), system.Instance(system.Discovery, 0)))
	w.well(t, "complete-failure")
}

func (w *world) serviceDown(t *testing.T) {
	for entry, name := range map[string]string{
		"PostgreSQL does not answer": system.Postgres,
		"It is the state-manager":    system.Instance(system.State, 0), "It is the discovery-service": system.Instance(system.Discovery, 0),
		"It is the websocket-monitor": system.Instance(system.Monitor, 0), "It is the teleoperation-service": system.Instance(system.Teleoperation, 0),
	} {
		runtest.Check(t, w.sys.StopProcess(t.Context(), name))
		w.carryOut(t, w.diagnosis(t, "service-down", entry))
		w.well(t, "service-down")
	}
}

func (w *world) inconsistent(t *testing.T) {
	w.bringOver(t)
	w.onDatabase(t, func(ctx context.Context, conn *pgx.Conn) {
		_, err := conn.Exec(ctx, "UPDATE robots SET type = 'toaster' WHERE id IN (SELECT id FROM robots LIMIT 3)")
		runtest.Check(t, err)
	})
	w.carryOut(t, w.diagnosis(t, "data-inconsistency", "not what the events make"))
	runtest.Await(t, time.Minute, "the rows to be true", func() bool {
		return w.segue.Call(t, append([]string{"check", runbookFile(), "rows-true"}, now()...)...).Code == 0
	})
}

func (w *world) socketsDrop(t *testing.T) {
	runtest.Check(t, w.sys.StopProcess(t.Context(), system.Instance(system.Monitor, 0)))
	w.carryOut(t, w.diagnosis(t, "websocket-drops", "The websocket-monitor does not work"))
	w.well(t, "websocket-drops")
	c, _, err := websocket.Dial(t.Context(), w.sys.Env.MonitorWSURL, nil) //nolint:bodyclose // it has none
	runtest.Check(t, err)
	_ = c.CloseNow()
}

// bringOver gives the new system the robots of the old one.
func (w *world) bringOver(t *testing.T) {
	t.Helper()
	var robots json.RawMessage
	runtest.Check(t, get(t, w.sys.Env.LegacyURL+api.PathRobots, &robots))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.sys.Env.StateURLs[0]+api.PathImport, bytes.NewReader(robots))
	runtest.Check(t, err)
	resp, err := http.DefaultClient.Do(req)
	runtest.Check(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("import: %s", resp.Status)
	}
}
