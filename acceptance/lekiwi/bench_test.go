package acceptance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
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
	"github.com/segue-run/segue/internal/soak"
)

// resultFile names the file that gets the benchmark's result.
const resultFile = "SEGUE_ROLLBACK_BENCH"

// Times are of the machine that everything runs on. Clients read; the edge asks
// the old side what the new one answers with an error, so what they see is not
// what it did: that is counted by the edge's log.
type rollbackResult struct {
	SecondsToDetection float64 `json:"seconds_to_detection"` // from the new side's first error
	SecondsToZero      float64 `json:"seconds_to_zero"`      // to the last request that the new side served
	ActuationMS        float64 `json:"actuation_ms"`         // from the guard to the split at 0 %
	ErrorsBefore       int     `json:"client_errors_before_detection"`
	ErrorsAfter        int     `json:"client_errors_after_detection"` // of requests that were answered after it
	Rescued            int     `json:"errors_of_the_new_side"`        // in all
	RescuedAfter       int     `json:"errors_of_the_new_side_after_detection"`
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
	c, tripped, done := w.underErrors(t, "canary", "errors-at-10", "no-robot-to-the-new-side", errors)
	log := w.edgeLog(t)
	var wrong []time.Time
	var last time.Time
	for _, l := range log {
		switch l.Side {
		case "rescue":
			wrong = append(wrong, l.at)
			last = l.at
		case service.New:
			last = l.at
		}
	}
	if len(wrong) == 0 {
		t.Fatal("the new side has made no error: nothing was measured")
	}
	out = rollbackResult{
		SecondsToDetection: tripped.Sub(wrong[0]).Seconds(),
		SecondsToZero:      last.Sub(wrong[0]).Seconds(),
		ActuationMS:        float64(done.Sub(tripped).Microseconds()) / 1000,
		ErrorsBefore:       c.count(func(a answer) bool { return a.bad() && !a.done.After(tripped) }),
		ErrorsAfter:        c.count(func(a answer) bool { return a.bad() && a.done.After(tripped) }),
		Rescued:            len(wrong),
		Requests:           c.count(func(answer) bool { return true }),
	}
	for _, at := range wrong {
		if at.After(tripped) {
			out.RescuedAfter++
		}
	}
	before := c.count(func(a answer) bool { return a.sent.Before(tripped) })
	out.RPS = float64(before) / tripped.Sub(c.answers[0].sent).Seconds()
	return out
}

// underErrors lets a share of the new side's answers be errors in the gate of a
// phase, and says when the guard tripped and when the split was back. All
// clients are on the new side before.
func (w *world) underErrors(t *testing.T, phase, guard, split string, errors float64) (c *clients, tripped, done time.Time) {
	r := w.segue.Begin(t, runbookFile(), set("errors-above=1%", phase+"-soak=10m")...)
	r.Gate(phase)
	c = &clients{keys: w.onNew(t, 50), url: w.sys.Env.EdgeURL}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	asked := make(chan struct{})
	go func() { defer close(asked); c.ask(ctx, 100) }()
	runtest.Await(t, time.Minute, "the clients to be seen", func() bool { return c.count(func(answer) bool { return true }) > 1000 })
	w.faults(t, map[string]service.Fault{system.Discovery: {Errors: errors}})
	fired := r.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	if g := fired.Event.(engine.GuardTripped); g.Guard != guard {
		t.Errorf("it was %s that tripped", g.Guard)
	}
	back := r.Until("the split", runtest.Is(func(ev engine.StepDone) bool { return strings.HasSuffix(ev.Step, split) }))
	rolledBackFrom(t, r)
	r.End(3)
	stop()
	<-asked
	return c, fired.At, back.At
}

// A rollback from half costs nobody an answer, and neither does what it is for:
// whoever asks the new side and gets an error is given the old side's answer.
func TestARollbackFromHalfAddsNoErrors(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 500, 200, 150)
	c, _, _ := w.underErrors(t, "half", "errors-at-50", "back-to-a-quarter-of-the-robots", 0.05)
	if n := len(c.keys) - len(w.among(t, c.keys)); n < 10 {
		t.Fatalf("only %d of %d clients went back", n, len(c.keys))
	}
	rescued := 0
	for _, l := range w.edgeLog(t) {
		if l.Side == "rescue" {
			rescued++
		}
	}
	seen := c.count(answer.bad)
	t.Logf("of %d requests %d were answered with an error by the new side; clients saw %d", c.count(func(answer) bool { return true }), rescued, seen)
	if rescued == 0 || seen != 0 {
		t.Errorf("the new side made %d errors, and clients saw %d", rescued, seen)
	}
}

func rolledBackFrom(t *testing.T, r *runtest.Run) {
	t.Helper()
	end := r.Until("the rollback's end", runtest.Is[engine.RollbackEnded](nil)).Event.(engine.RollbackEnded)
	if end.Result != engine.Verified {
		t.Errorf("the rollback ended %s: %v", end.Result, end.Why)
	}
}

// onNew finds ids of clients that the edge gives to the new side.
func (w *world) onNew(t *testing.T, n int) []string {
	t.Helper()
	var keys []string
	for i := range 40 * n {
		keys = append(keys, fmt.Sprintf("client-%d", i))
	}
	found := w.among(t, keys)
	if len(found) < n {
		t.Fatalf("only %d clients are on the new side", len(found))
	}
	return found[:n]
}

// among are those of these clients that the edge gives to the new side.
func (w *world) among(t *testing.T, all []string) (keys []string) {
	t.Helper()
	for _, key := range all {
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
	return keys
}

// An edgeLine is a request that the edge has answered.
type edgeLine struct {
	at time.Time
	// Side is the upstream that answered: rescue is the old one, after an error of
	// the other.
	Side string
}

// edgeLog is what NGINX's own log says, in order; WebSockets, which go on, are
// left out.
func (w *world) edgeLog(t *testing.T) (out []edgeLine) {
	t.Helper()
	f, err := os.Open(w.sys.Env.EdgeLog)
	runtest.Check(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l struct{ At, Side, Path string }
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Path == api.PathWebSocket {
			continue
		}
		seconds, err := strconv.ParseFloat(l.At, 64)
		runtest.Check(t, err)
		out = append(out, edgeLine{time.UnixMilli(int64(seconds * 1000)), l.Side})
	}
	runtest.Check(t, lines.Err())
	slices.SortStableFunc(out, func(a, b edgeLine) int { return a.at.Compare(b.at) })
	return out
}

// clients ask for robots, open loop: each request is made when it is due.
type clients struct {
	keys []string
	url  string

	mu      sync.Mutex
	answers []answer
}

type answer struct {
	key        string
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
			a := answer{key: c.keys[n%len(c.keys)], sent: time.Now()}
			req.Header.Set(api.HeaderRobotID, a.key)
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
