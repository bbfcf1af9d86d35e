package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/segue-run/segue/compare/comparetest"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/edge/tee"
)

// A rig is a tee that runs, with its two ports.
type rig struct {
	*tee.Tee
	copies, status string // host:port
}

func start(t testing.TB, o tee.Options) rig {
	t.Helper()
	out, err := tee.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/compare", out.ServeComparison)
	mux.HandleFunc("/metrics", out.Metrics)
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(out.Counts()) })
	front, status := httptest.NewServer(out), httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { out.Run(ctx); close(ended) }()
	t.Cleanup(func() {
		for _, s := range []*httptest.Server{front, status} {
			s.CloseClientConnections()
			s.Close()
		}
		cancel()
		<-ended
	})
	return rig{out, strings.TrimPrefix(front.URL, "http://"), strings.TrimPrefix(status.URL, "http://")}
}

// send sends so many copies of each path, as NGINX does.
func (r rig) send(t testing.TB, n int, paths ...string) {
	t.Helper()
	for range n {
		for _, path := range paths {
			resp, err := http.Get("http://" + r.copies + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("a copy is answered with %s", resp.Status)
			}
		}
	}
}

const text = `
segue: v1
name: shadow
connections:
  copies: {tee: {status: "${STATUS}"}}
checks:
  processed: {shadow.processed: {on: copies, lost: 5%%, over: 1m, min-samples: 50}}
  alike:     {shadow.alike: {on: copies, min-pairs: 50, at-most: 0%%}}
  mostly:    {shadow.alike: {on: copies, min-pairs: 50, at-most: 99%%}}
phases:
  - name: one
    steps:
      - name: compare
        shadow.compare:
          on: copies
          sample: 100%%
          endpoints: ["/robots/{id}"]
%s
    verify: {checks: [processed, alike, mostly]}
    rollback: {verify: {checks: [processed]}}
`

func made(t testing.TB, r rig) drivertest.Made {
	t.Helper()
	return drivertest.Make(t, fmt.Sprintf(text, strings.ReplaceAll(comparetest.Rules, "        ", "          ")), map[string]string{"STATUS": r.status}, Parts()...)
}

// effect is a life in which nothing is taken away and nothing crashes.
func effect(t testing.TB, a driver.Action) driver.Effect {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Plan(before)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{
		Before: before, Want: want,
		Save: func(context.Context, any) error { return nil }, Mine: func() error { return nil },
	}
}
