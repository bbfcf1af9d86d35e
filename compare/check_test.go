package compare

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segue-run/segue/compare/comparetest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func read(t testing.TB, p params) evidence.Reading {
	t.Helper()
	c, err := newCheck(p)
	if err != nil {
		t.Fatal(err)
	}
	return c.Read(t.Context())
}

func server(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestWhatCannotBeToldIsUnknown(t *testing.T) {
	one, gone := server(t, says("1")), httptest.NewServer(nil)
	gone.Close()
	missing := server(t, http.NotFound)
	for name, c := range map[string]struct {
		p      params
		want   evidence.Verdict
		detail string
	}{
		"legacy is away":            {params{Legacy: gone.URL, New: one, Requests: []string{"/"}}, evidence.Unknown, "legacy did not answer 100 of 100 questions"},
		"the new system is away":    {params{Legacy: one, New: gone.URL, Requests: []string{"/"}}, evidence.Fail, "GET / answer (silence)"},
		"both say that it is not":   {params{Legacy: missing, New: missing, Requests: []string{"/"}}, evidence.Unknown, "legacy answers 404"},
		"that is what is asked for": {params{Legacy: missing, New: missing, Requests: []string{"/ 404"}}, evidence.Pass, ""},
		"nothing to fill in": {
			params{Legacy: one, New: one, Requests: []string{"/{id}"}, Draw: map[string]string{"id": "/ .[]?"}}, evidence.Unknown, "legacy's /, for {id}: it has no value",
		},
		"the same": {params{Legacy: one, New: one, Requests: []string{"/", "HEAD /"}}, evidence.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, c.p)
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%s %s: %s, want %s because %q", r.Verdict, r.Value, r.Detail, c.want, c.detail)
			}
		})
	}
}

func TestWithoutTimeEnoughItDoesNotKnow(t *testing.T) {
	slow := server(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	c, err := newCheck(params{Legacy: slow, New: slow, Requests: []string{"/"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if r := c.Read(ctx); r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "of 100 pairs when the time was over") {
		t.Errorf("%s: %s", r.Verdict, r.Detail)
	}
}

// One answer in a hundred is wrong, and not when it is asked again: nobody can
// say that this is no difference.
func TestADifferenceThatDoesNotComeBackIsUnclear(t *testing.T) {
	var n atomic.Int64
	flaky := server(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 50 {
			_, _ = w.Write([]byte("2"))
			return
		}
		_, _ = w.Write([]byte("1"))
	})
	r := read(t, params{Legacy: server(t, says("1")), New: flaky, Requests: []string{"/"}})
	if r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, "GET / . (value) in 1 pair, as .: 1 became 2: it may be noise") {
		t.Errorf("%s: %s", r.Verdict, r.Detail)
	}
}

func TestAnUnsafeMethodIsAskedOnceAndOnlyIfToldTo(t *testing.T) {
	var asked atomic.Int64
	legacy := server(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
	})
	p := params{Legacy: legacy, New: server(t, says("")), Requests: []string{"POST /"}, Runs: 7, Send: "{}"}
	_, err := newCheck(p)
	if wrong, ok := errors.AsType[*runbook.FieldError](err); !ok || wrong.Field != "requests" {
		t.Fatalf("it is not refused: %v", err)
	}
	p.Unsafe = true
	if r := read(t, p); r.Verdict != evidence.Pass || asked.Load() != 7 {
		t.Errorf("%s: %s, asked %d times", r.Verdict, r.Detail, asked.Load())
	}
}

func TestParametersThatCannotBeAskedAreNamed(t *testing.T) {
	good := params{Legacy: "http://a", New: "http://b", Requests: []string{"/"}}
	for field, spoil := range map[string]func(*params){
		"legacy":   func(p *params) { p.Legacy = "a:80" },
		"new":      func(p *params) { p.New = "http://b?key=hunter2" },
		"requests": func(p *params) { p.Requests = []string{"/a like /b"} },
		"draw":     func(p *params) { p.Draw = map[string]string{"id": "/robots"} },
		"runs":     func(p *params) { p.Runs = -1 },
		"within":   func(p *params) { p.Within = map[string]string{"a": "near"} },
	} {
		p := good
		spoil(&p)
		wrong, ok := errors.AsType[*runbook.FieldError](p.Validate())
		if !ok || wrong.Field != field {
			t.Errorf("%s: %v", field, wrong)
		}
	}
	for _, text := range []string{"", "get /a", "/a as", "//host/a", "/a 200", "GET"} {
		if _, err := parseRequest(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestHeadsOrMore(t *testing.T) {
	for _, c := range []struct {
		heads, n int64
		want     float64
	}{{0, 0, 1}, {1, 1, 0.5}, {20, 20, 1.0 / (1 << 20)}, {3, 4, 5.0 / 16}, {2, 4, 1}, {5100, 10000, 0.0233}} {
		if got := headsOrMore(c.heads, c.n); got < c.want*0.99 || got > c.want*1.01 {
			t.Errorf("%d of %d: %g, want %g", c.heads, c.n, got, c.want)
		}
	}
}

// BenchmarkPairs is a comparison, against the three bare requests that it takes.
func BenchmarkPairs(b *testing.B) {
	p := comparetest.Start(b, 100, nil)
	b.Run("bare", func(b *testing.B) {
		c := newClient(1)
		for b.Loop() {
			for _, url := range []string{p.Legacy.URL + "/robots", p.New.URL + "/api/v2/robots", p.Legacy.URL + "/robots"} {
				s := side{client: c, timeout: time.Second}
				if a, _, err := s.ask(b.Context(), "GET", url); err != nil || a.Status != 200 {
					b.Fatal(a.Failed, err)
				}
			}
		}
	})
	b.Run("compared", func(b *testing.B) {
		c := compared(b, p, 1).(*check)
		stats := &Stats{}
		r := c.trial.requests[0]
		for b.Loop() {
			if err := stats.Settle(c.trial.comparer, func() (Pair, error) { return c.trial.pair(b.Context(), r, r) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}
