package load

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// under is what may be put under load.
func under(t testing.TB, h http.Handler) (*Targets, string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() }) // those that were never used hold Close up
	on, err := newTargets(connParams{Targets: []string{strings.TrimPrefix(s.URL, "http://")}})
	if err != nil {
		t.Fatal(err)
	}
	return on, s.URL
}

func read(t testing.TB, on *Targets, p params) (evidence.Reading, Result) {
	t.Helper()
	c, err := newCheck(on, p)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Read(t.Context())
	var result Result
	if err := json.Unmarshal(r.Raw, &result); err != nil {
		t.Fatal(err)
	}
	return r, result
}

// stalls answers at once, but for one moment in which it answers nobody.
type stalls struct {
	after, lasts time.Duration
	once         sync.Once
	mu           sync.RWMutex
}

func (s *stalls) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.once.Do(func() {
		time.AfterFunc(s.after, func() {
			s.mu.Lock()
			time.AfterFunc(s.lasts, s.mu.Unlock)
		})
	})
	s.mu.RLock()
	defer s.mu.RUnlock()
	w.WriteHeader(http.StatusOK)
}

// The negative control: of a stall of 300 ms an open loop suffers all that was
// due meanwhile, and a closed one a single request.
func TestAStallIsFoundThatAClosedLoopDoesNotSee(t *testing.T) {
	t.Parallel()
	const stall, below = 300 * time.Millisecond, 50 * time.Millisecond
	var on *Targets
	var url string
	var r evidence.Reading
	var result Result
	for range 10 { // a machine that is itself late says so, and cannot tell
		on, url = under(t, &stalls{after: 300 * time.Millisecond, lasts: stall})
		r, result = read(t, on, params{Target: url, Paths: []string{"/"}, RPS: 500, Duration: time.Second, P95: below})
		if !strings.Contains(r.Detail, "this machine itself was late") {
			break
		}
	}
	if r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "p95 is") {
		t.Errorf("the stall was not found: %s %s: %s", r.Verdict, r.Value, r.Detail)
	}
	if result.Max < 250 || result.Due != 500 || result.Errors != 0 {
		t.Errorf("%+v", result)
	}

	_, url = under(t, &stalls{after: 300 * time.Millisecond, lasts: stall})
	var slow, all int
	for began := time.Now(); time.Since(began) < time.Second; all++ {
		sent := time.Now()
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if time.Since(sent) >= below {
			slow++
		}
	}
	if slow == 0 || float64(slow) > 0.05*float64(all) {
		t.Errorf("%d of %d answers to a closed loop were slow: it is no control", slow, all)
	}
}

func TestWhatALoadShows(t *testing.T) {
	var n atomic.Int64
	quick := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]struct {
		handler http.Handler
		p       params
		want    evidence.Verdict
		detail  string
	}{
		"it is borne":       {quick, params{P50: 5 * time.Second, P99: 5 * time.Second}, evidence.Pass, ""},
		"too slow":          {quick, params{P50: time.Nanosecond}, evidence.Unknown, "this machine itself was late"},
		"errors":            {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503 + int(n.Add(1)%2)) }), params{Errors: 10}, evidence.Fail, "100 of 100 failed: 50 × status 503, 50 × status 504"},
		"errors within":     {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), params{Errors: 100}, evidence.Pass, ""},
		"no answer":         {http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), params{Answer: 100 * time.Millisecond}, evidence.Fail, "100 × no answer within 100ms"},
		"more than at once": {http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { <-time.After(20 * time.Millisecond) }), params{AtOnce: 1, P50: 200 * time.Millisecond}, evidence.Fail, "p50 is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on, url := under(t, c.handler)
			c.p.Target, c.p.Paths, c.p.RPS, c.p.Duration = url, []string{"/a", "/b"}, 200, 500*time.Millisecond
			r, result := read(t, on, c.p)
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%s %s: %s, want %s because %q", r.Verdict, r.Value, r.Detail, c.want, c.detail)
			}
			if result.Due != 100 {
				t.Errorf("%d were due", result.Due)
			}
		})
	}
}

func TestOnlyWhatIsNamedIsPutUnderLoad(t *testing.T) {
	var asked atomic.Int64
	on, url := under(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	good := params{Target: url, Paths: []string{"/"}, RPS: 10, Duration: time.Second}
	for name, spoil := range map[string]func(*params){
		"another port": func(p *params) { p.Target = "http://127.0.0.1:1" },
		"another name": func(p *params) { p.Target = strings.Replace(url, "127.0.0.1", "localhost", 1) },
		"a user": func(p *params) {
			p.Target = strings.Replace(url, "http://", "http://127.0.0.1:80@", 1)
			p.Target += "1"
		},
		"the usual": func(p *params) { p.Target = "https://production.example" },
		"too much":  func(p *params) { p.RPS = 10_001 },
	} {
		p := good
		spoil(&p)
		_, err := newCheck(on, p)
		if _, refused := errors.AsType[*driver.Refusal](err); !refused {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
	if asked.Load() > 0 {
		t.Error("something was asked")
	}
}

func TestARedirectLeadsNowhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	on, url := under(t, http.RedirectHandler(elsewhere.URL, http.StatusFound))
	if r, _ := read(t, on, params{Target: url, Paths: []string{"/"}, RPS: 100, Duration: 100 * time.Millisecond}); r.Verdict != evidence.Pass {
		t.Errorf("%+v", r)
	}
}

func TestALoadThatIsInterruptedIsUnknown(t *testing.T) {
	on, url := under(t, http.NotFoundHandler())
	c, err := newCheck(on, params{Target: url, Paths: []string{"/"}, RPS: 100, Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r := c.Read(ctx); r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "it was ended after") {
		t.Errorf("%+v", r)
	}
}

func TestParametersThatAreNoLoadAreNamed(t *testing.T) {
	good := params{Target: "http://a:1", Paths: []string{"/"}, RPS: 1, Duration: time.Second}
	for field, spoil := range map[string]func(*params){
		"target":   func(p *params) { p.Target = "http://a:1/robots" },
		"paths":    func(p *params) { p.Paths = []string{"robots"} },
		"method":   func(p *params) { p.Method = "POST" },
		"rps":      func(p *params) { p.RPS = 0 },
		"duration": func(p *params) { p.Duration = 0 },
		"errors":   func(p *params) { p.Errors = 101 },
	} {
		p := good
		spoil(&p)
		if wrong, ok := errors.AsType[*runbook.FieldError](p.Validate()); !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, wrong)
		}
	}
	for _, targets := range [][]string{nil, {"a"}, {"*:80"}, {"http://a:80"}} {
		if err := (connParams{Targets: targets}).Validate(); err == nil {
			t.Errorf("%v are taken", targets)
		}
	}
}

func TestPartsWorkAsWritten(t *testing.T) {
	var posts atomic.Int64
	_, url := under(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("X-Robot-Id") == "r7" {
			posts.Add(1)
		}
	}))
	made := drivertest.Make(t, `
segue: v1
name: all-of-load
connections:
  bench: {load: {targets: ["${TARGET}"], most-rps: 100}}
checks:
  bears: {load: {on: bench, target: "http://${TARGET}", paths: [/heartbeat], method: POST, unsafe-methods: true, send: "{}", headers: {X-Robot-Id: r7}, rps: 100, duration: 200ms, p50: 5s, p95: 5s, p99: 5s, errors: 1%, answer-within: 5s, at-once: 10}}
phases:
  - name: one
    require: [bears]
`, map[string]string{"TARGET": strings.TrimPrefix(url, "http://")}, Parts()...)
	var told atomic.Int64
	ctx := driver.WithProgress(t.Context(), func(driver.Progress) { told.Add(1) })
	if r := made.Checks["bears"].Read(ctx); r.Verdict != evidence.Pass || posts.Load() != 20 {
		t.Errorf("%+v, %d posts", r, posts.Load())
	}
}

// BenchmarkGenerator is how late this machine is at a rate, a second at a time.
func BenchmarkGenerator(b *testing.B) {
	for _, rps := range []int{1000, 5000} {
		b.Run(strconv.Itoa(rps), func(b *testing.B) {
			on, url := under(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for b.Loop() {
				_, result := read(b, on, params{Target: url, Paths: []string{"/"}, RPS: rps, Duration: time.Second})
				b.ReportMetric(result.Late, "late_p99_ms")
				b.ReportMetric(result.P99, "p99_ms")
				b.ReportMetric(float64(result.Due), "due/op")
			}
		})
	}
}
