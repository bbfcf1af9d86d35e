package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	var asked, status atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	defer s.Close()
	at := strings.TrimPrefix(s.URL, "http://")
	file := written(t, fmt.Sprintf(`
segue: v1
name: load
connections:
  bench: {load: {targets: [%q], most-rps: 400}}
checks:
  bears:   {load: {on: bench, target: %q, paths: [/robots], rps: 10, duration: 5m, p99: 5s}}
  outside: {load: {on: bench, target: "http://127.0.0.1:1", paths: [/robots], rps: 10, duration: 5m}}
phases:
  - name: one
    require: [bears, outside]
`, at, s.URL))
	status.Store(200)
	out, errs, code := answered(t, "load", file, "bears", "--target-rps", "300", "--duration", "1")
	if code != codeDone || asked.Load() != 300 || !strings.Contains(out, "bears  pass  300 requests") {
		t.Errorf("code %d, %d asked: %s%s", code, asked.Load(), out, errs)
	}
	status.Store(500)
	if out, errs, code := answered(t, "load", file, "bears", "--target-rps", "100", "--duration", "100ms"); code != codeFailed || !strings.Contains(out, "10 × status 500") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	asked.Store(0)
	for want, args := range map[string][]string{
		"is not named as something to put under load": {"outside"},
		"more than may be asked of it":                {"bears", "--target-rps", "500"},
	} {
		if out, errs, code := answered(t, append([]string{"load", file}, args...)...); code != codeFailed || !strings.Contains(out, want) {
			t.Errorf("%v: code %d: %s%s", args, code, out, errs)
		}
	}
	if _, errs, code := answered(t, "load", file, "bears", "--duration", "long"); code != codeUsage {
		t.Errorf("code %d: %s", code, errs)
	}
	if asked.Load() > 0 {
		t.Error("something was asked")
	}
}
