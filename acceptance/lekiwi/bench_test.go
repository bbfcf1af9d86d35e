package acceptance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

// resultFile names the file that gets the benchmark's result.
const resultFile = "SEGUE_ROLLBACK_BENCH"

// Times are of the machine that everything runs on.
type rollbackResult struct {
	SecondsToDetection float64 `json:"seconds_to_detection"` // from the first error that a client saw
	SecondsToZero      float64 `json:"seconds_to_zero"`      // to the last request that the new side served
	ActuationMS        float64 `json:"actuation_ms"`         // from the guard to the split at 0 %
	ErrorsBefore       int     `json:"client_errors_before_detection"`
	ErrorsAfter        int     `json:"client_errors_after_detection"` // of requests that were sent after it
	Requests           int     `json:"requests"`
	RPS                float64 `json:"rps"` // on the new side, until then
}

// BenchRollback: a canary answers 5 % of 100 requests a second with errors. The
// guard looks every second; clients are all on the new side.
func TestBenchRollback(t *testing.T) {
	file := os.Getenv(resultFile)
	if file == "" {
		t.Skip("only with " + resultFile)
	}
	got := measureRollback(t, 0.05)
	raw, err := json.MarshalIndent(got, "", "  ")
	runtest.Check(t, err)
	runtest.Check(t, os.WriteFile(file, append(raw, '\n'), 0o600))
	t.Logf("%s", raw)
	if got.SecondsToZero >= 10 {
		t.Errorf("it took %.1f s to 0 %%, want under 10 s", got.SecondsToZero)
	}
	if got.ErrorsAfter != 0 {
		t.Errorf("clients saw %d errors after the detection", got.ErrorsAfter)
	}
}

func measureRollback(t *testing.T, errors float64) (out rollbackResult) {
	w := newWorld(t)
	w.burden(t, 500, 60, 40)
	r := w.segue.Begin(t, runbookFile(), set("errors-above=1%", "canary-soak=10m")...)
	r.Gate("canary")
	c := clients{keys: w.onNew(t, 50), url: w.sys.Env.EdgeURL}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	asked := make(chan struct{})
	go func() { defer close(asked); c.ask(ctx, 100) }()
	runtest.Await(t, time.Minute, "the clients to be seen", func() bool { return c.count(func(answer) bool { return true }) > 1000 })

	w.faults(t, map[string]service.Fault{system.Discovery: {Errors: errors}})
	tripped := r.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	if g := tripped.Event.(engine.GuardTripped); g.Guard != "errors-at-10" {
		t.Errorf("it was %s that tripped", g.Guard)
	}
	done := r.Until("the split at 0 %", runtest.Is(func(ev engine.StepDone) bool { return strings.HasSuffix(ev.Step, "no-robot-to-the-new-side") }))
	rolledBackFrom(t, r)
	r.End(3)
	stop()
	<-asked

	first := c.first(func(a answer) bool { return a.bad() }).done
	last := w.lastServedByNew(t)
	out = rollbackResult{
		SecondsToDetection: tripped.At.Sub(first).Seconds(),
		SecondsToZero:      last.Sub(first).Seconds(),
		ActuationMS:        float64(done.At.Sub(tripped.At).Microseconds()) / 1000,
		ErrorsBefore:       c.count(func(a answer) bool { return a.bad() && !a.sent.After(tripped.At) }),
		ErrorsAfter:        c.count(func(a answer) bool { return a.bad() && a.sent.After(tripped.At) }),
		Requests:           c.count(func(answer) bool { return true }),
	}
	before := c.count(func(a answer) bool { return a.sent.Before(tripped.At) })
	out.RPS = float64(before) / tripped.At.Sub(c.answers[0].sent).Seconds()
	if out.ErrorsBefore == 0 {
		t.Error("no client saw an error: nothing was measured")
	}
	return out
}

func rolledBackFrom(t *testing.T, r *runtest.Run) {
	t.Helper()
	end := r.Until("the rollback's end", runtest.Is[engine.RollbackEnded](nil)).Event.(engine.RollbackEnded)
	if end.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", end.Result, end.Why)
	}
}

// onNew finds ids of clients that the edge gives to the new side.
func (w *world) onNew(t *testing.T, n int) (keys []string) {
	t.Helper()
	for i := 0; len(keys) < n && i < 100*n; i++ {
		key := fmt.Sprintf("client-%d", i)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.sys.Env.EdgeURL+api.PathHealth, nil)
		runtest.Check(t, err)
		req.Header.Set(api.HeaderRobotID, key)
		resp, err := http.DefaultClient.Do(req)
		runtest.Check(t, err)
		var h api.Health
		err = json.NewDecoder(resp.Body).Decode(&h)
		resp.Body.Close()
		runtest.Check(t, err)
		if h.System == service.New {
			keys = append(keys, key)
		}
	}
	if len(keys) < n {
		t.Fatalf("only %d clients are on the new side", len(keys))
	}
	return keys
}

// lastServedByNew is when the new side answered for the last time, by NGINX's
// own log; WebSockets, which go on, are left out.
func (w *world) lastServedByNew(t *testing.T) (last time.Time) {
	t.Helper()
	f, err := os.Open(w.sys.Env.EdgeLog)
	runtest.Check(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l struct{ At, Side, Path string }
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Side != service.New || l.Path == api.PathWebSocket {
			continue
		}
		seconds, err := strconv.ParseFloat(l.At, 64)
		runtest.Check(t, err)
		last = time.UnixMilli(int64(seconds * 1000))
	}
	runtest.Check(t, lines.Err())
	return last
}

// clients ask for robots, open loop: each request is made when it is due.
type clients struct {
	keys []string
	url  string

	mu      sync.Mutex
	answers []answer
}

type answer struct {
	sent, done time.Time
	code       int // 0: none came
}

func (a answer) bad() bool { return a.code == 0 || a.code >= 500 }

func (c *clients) ask(ctx context.Context, rps int) {
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rps))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			all.Wait()
			return
		}
		all.Go(func() {
			req, err := http.NewRequest(http.MethodGet, c.url+api.PathRobotCount, nil) //nolint:noctx // it is answered
			if err != nil {
				panic(err)
			}
			req.Header.Set(api.HeaderRobotID, c.keys[n%len(c.keys)])
			a := answer{sent: time.Now()}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
				a.code = resp.StatusCode
			}
			a.done = time.Now()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answers = append(c.answers, a)
		})
	}
}

func (c *clients) count(is func(answer) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.answers {
		if is(a) {
			n++
		}
	}
	return n
}

// first is the earliest to be answered so.
func (c *clients) first(is func(answer) bool) (out answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.answers {
		if is(a) && (out.done.IsZero() || a.done.Before(out.done)) {
			out = a
		}
	}
	return out
}
