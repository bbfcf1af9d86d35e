package shadow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/compare/comparetest"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/edge/edgetest"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func TestShadowCompareWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			r := start(t, tee.Options{To: "http://127.0.0.1:1", Live: "http://127.0.0.1:2"})
			conn, err := newConn(connParams{r.status})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return drivertest.World{
				Action: func() driver.Action {
					a, err := newComparison(conn, compareParams{Sample: 5})
					if err != nil {
						t.Fatal(err)
					}
					return a
				},
				Disturb: func(context.Context) error { return r.Compare(tee.Comparison{Sample: 0.5}) },
			}
		},
	})
}

func TestCopiesOfEqualSystemsAreAlike(t *testing.T) {
	p := comparetest.Start(t, 8, nil)
	r := start(t, tee.Options{To: p.New.URL, Live: p.Legacy.URL})
	m := made(t, r)
	for _, name := range []string{"processed", "alike"} {
		if got := m.Checks[name].Read(t.Context()); got.Verdict != evidence.Unknown {
			t.Errorf("before anything came %s is %+v", name, got)
		}
	}
	a := m.Actions["compare"]
	if _, err := a.Apply(t.Context(), effect(t, a)); err != nil {
		t.Fatal(err)
	}
	for range 100 { // a few at a time: only one is compared, and no other than those that wait
		r.send(t, 1, "/robots", "/health", "/robots/r1", "/robots/nobody")
	}
	edgetest.Await(t, "the comparison", func() error {
		r.send(t, 1, "/robots", "/health", "/robots/r1", "/robots/nobody")
		if got := m.Checks["alike"].Read(t.Context()); got.Verdict != evidence.Pass || got.Samples < 50 {
			return fmt.Errorf("%s %s: %s", got.Verdict, got.Value, got.Detail)
		}
		return nil
	})
	edgetest.Await(t, "the replays", func() error {
		if got := m.Checks["processed"].Read(t.Context()); got.Verdict != evidence.Pass {
			return fmt.Errorf("%s %s: %s", got.Verdict, got.Value, got.Detail)
		}
		return nil
	})
	report := r.Compared().Report
	var names []string
	for _, e := range report.Endpoints {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, ", "); got != "GET /health, GET /robots, GET /robots/{id}" {
		t.Errorf("endpoints are %s", got)
	}
}

// The negative control: a new side that answers wrongly is found by its live
// copies.
func TestCopiesThatAreAnsweredOtherwiseAreFound(t *testing.T) {
	p := comparetest.Start(t, 8, func(path string, body map[string]any, _ http.Header) int {
		if path == "/robots" {
			body["count"] = 7
		}
		return 0
	})
	r := start(t, tee.Options{To: p.New.URL, Live: p.Legacy.URL})
	m := made(t, r)
	a := m.Actions["compare"]
	if _, err := a.Apply(t.Context(), effect(t, a)); err != nil {
		t.Fatal(err)
	}
	edgetest.Await(t, "the difference", func() error {
		r.send(t, 5, "/robots", "/robots/r1", "/robots/r3")
		got := m.Checks["alike"].Read(t.Context())
		if got.Verdict != evidence.Fail || !strings.Contains(got.Detail, "GET /robots count (value)") {
			return fmt.Errorf("%s %s: %s", got.Verdict, got.Value, got.Detail)
		}
		return nil
	})
	edgetest.Await(t, "what is allowed", func() error {
		r.send(t, 5, "/robots/r1", "/robots/r3")
		if got := m.Checks["mostly"].Read(t.Context()); got.Verdict != evidence.Pass || !strings.Contains(got.Detail, "which is allowed") {
			return fmt.Errorf("%s %s: %s", got.Verdict, got.Value, got.Detail)
		}
		return nil
	})
	resp, err := http.Get("http://" + r.status + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(page), `segue_tee_compared_total{result="differing"} `) || strings.Contains(string(page), `{result="differing"} 0`) {
		t.Errorf("%v\n%s", err, page)
	}
}

func TestCopiesThatAreLostFail(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	r := start(t, tee.Options{To: gone.URL})
	c := made(t, r).Checks["processed"]
	c.Read(t.Context())
	edgetest.Await(t, "the failure", func() error {
		r.send(t, 20, "/")
		if got := c.Read(t.Context()); got.Verdict != evidence.Fail || !strings.Contains(got.Detail, "not answered") {
			return fmt.Errorf("%s %s: %s", got.Verdict, got.Value, got.Detail)
		}
		return nil
	})
}

// A live system that hangs holds up the comparison alone: what is replayed is
// replayed, and clients were answered long ago.
func TestALiveSystemThatHangsHoldsNoReplayUp(t *testing.T) {
	p := comparetest.Start(t, 1, nil)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	r := start(t, tee.Options{To: p.New.URL, Live: hangs.URL, Workers: 2})
	if err := r.Compare(tee.Comparison{Sample: 1}); err != nil {
		t.Fatal(err)
	}
	r.send(t, 200, "/health")
	edgetest.Await(t, "the replays", func() error {
		if n := r.Counts(); n.Replayed != 199 || n.Full > 0 {
			return fmt.Errorf("%+v", n)
		}
		return nil
	})
	if got := r.Compared(); got.Skipped != 199 || got.Report.Pairs != 0 {
		t.Errorf("%+v", got)
	}
	hangs.CloseClientConnections()
}

func TestATeeThatHasForgottenIsToldAgain(t *testing.T) {
	r := start(t, tee.Options{To: "http://127.0.0.1:1", Live: "http://127.0.0.1:2"})
	a := made(t, r).Actions["compare"].(driver.Background)
	e := effect(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, e) }()
	for range 2 {
		edgetest.Await(t, "the comparison", func() error {
			if r.Compared().Sample != 1 {
				return errors.New("nothing is compared")
			}
			return nil
		})
		if err := r.Compare(tee.Comparison{}); err != nil { // as after a restart
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

func TestATeeWithoutALiveSystemIsRefused(t *testing.T) {
	r := start(t, tee.Options{To: "http://127.0.0.1:1"})
	a := made(t, r).Actions["compare"]
	_, err := a.(driver.Surveyor).Survey(t.Context())
	if _, refused := errors.AsType[*driver.Refusal](err); !refused || !strings.Contains(err.Error(), "--live") {
		t.Errorf("%v", err)
	}
	if _, err := a.Apply(t.Context(), effect(t, a)); err == nil || !strings.Contains(err.Error(), "--live") {
		t.Errorf("%v", err)
	}
}

func TestOnlyAComparisonIsTaken(t *testing.T) {
	r := start(t, tee.Options{To: "http://127.0.0.1:1", Live: "http://127.0.0.1:2"})
	for body, want := range map[string]int{
		`{"sample":0.5,"rules":{}}`:                  204,
		`{"sample":2,"rules":{}}`:                    422,
		`{"sample":0.5,"rules":{"ignore":["a[0]"]}}`: 422,
		`{"sample":0.5,"live":"http://127.0.0.1:3"}`: 400,
		`sample`: 400,
		`{"sample":0.5,"rules":{"legacy_as":"{broken"}}`: 422,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+r.status+"/compare", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", body, resp.StatusCode, want)
		}
	}
	if r.Compared().Sample != 0.5 {
		t.Errorf("what was refused has changed something: %+v", r.Compared())
	}
	away := httptest.NewRequest(http.MethodDelete, "/compare", nil)
	away.RemoteAddr = "192.0.2.1:1"
	w := httptest.NewRecorder()
	r.ServeComparison(w, away)
	if w.Code != http.StatusForbidden || r.Compared().Sample != 0.5 {
		t.Errorf("another machine: %d", w.Code)
	}
}

func TestParametersAreNamed(t *testing.T) {
	for field, p := range map[string]interface{ Validate() error }{
		"status":      connParams{"0.0.0.0:80"},
		"sample":      compareParams{Sample: 101},
		"endpoints":   compareParams{Endpoints: []string{"robots"}},
		"lost":        processedParams{Lost: new(runbook.Percent(100))},
		"over":        processedParams{Over: -time.Second},
		"min-samples": processedParams{Samples: -1},
		"min-pairs":   alikeParams{Pairs: -1},
		"at-most":     alikeParams{AtMost: new(runbook.Percent(-1))},
	} {
		if wrong, ok := errors.AsType[*runbook.FieldError](p.Validate()); !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, wrong)
		}
	}
}
