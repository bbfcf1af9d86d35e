package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A Request is what a receiver was sent and took.
type Request struct {
	Path   string
	Header http.Header
	Body   map[string]any
	Raw    []byte
}

// A Receiver is told by HTTP.
type Receiver struct {
	URL string

	mu    sync.Mutex
	fails []func(http.ResponseWriter)
	taken []Request
	tries int
}

// Fail makes the next requests fail, one after the other, before they are looked at.
func (r *Receiver) Fail(how ...func(http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = append(r.fails, how...)
}

// Recover ends the failing.
func (r *Receiver) Recover() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = nil
}

// Status answers with a status, a Retry-After if it is not "", and a body.
func Status(code int, retryAfter, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

// Taken are the requests that were taken.
func (r *Receiver) Taken() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.taken...)
}

// Tries is how many requests came.
func (r *Receiver) Tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

// receiver starts one; judge answers, and reports whether it takes the request.
func receiver(t testing.TB, judge func(http.ResponseWriter, Request) bool) *Receiver {
	t.Helper()
	r := &Receiver{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tries++
		if len(r.fails) > 0 {
			fail := r.fails[0]
			r.fails = r.fails[1:]
			fail(w)
			return
		}
		got := Request{Path: req.URL.Path, Header: req.Header, Raw: raw}
		if req.Method != http.MethodPost || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") || json.Unmarshal(raw, &got.Body) != nil {
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		}
		if judge(w, got) {
			r.taken = append(r.taken, got)
		}
	}))
	t.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

// Webhook takes any JSON.
func Webhook(t testing.TB) *Receiver {
	t.Helper()
	return receiver(t, func(w http.ResponseWriter, _ Request) bool {
		w.WriteHeader(http.StatusNoContent)
		return true
	})
}

func text(body map[string]any, key string) string {
	s, _ := body[key].(string)
	return s
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}
