package web

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

// ingest answers as the services do, well and badly.
func ingest(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	answer := func(path string, status int, body string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	answer("/health", 200, `{"status":"healthy","eventBus":"connected","sequence":9007199254740993}`)
	answer("/degraded", 503, `{"status":"degraded"}`)
	answer("/page", 200, `<html>welcome</html>`)
	answer("/nothing", 204, "")
	answer("/large", 200, `"`+strings.Repeat("x", maxBody)+`"`)
	mux.Handle("/away", http.RedirectHandler("/health", http.StatusFound))
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+r.Host+" "+r.Header.Get("X-Role")+" "+string(body))
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestHTTPReadsAServer(t *testing.T) {
	s := ingest(t)
	for name, c := range map[string]struct {
		path   string
		p      httpParams
		want   evidence.Verdict
		detail string
	}{
		"healthy":                     {"/health", httpParams{}, evidence.Pass, ""},
		"healthy, as expected":        {"/health", httpParams{Expect: `body.status == "healthy" && body.eventBus == "connected" && latency < duration("1m")`}, evidence.Pass, ""},
		"whole numbers stay whole":    {"/health", httpParams{Expect: "body.sequence == 9007199254740993"}, evidence.Pass, ""},
		"not as expected":             {"/health", httpParams{Expect: `body.status == "ok"`}, evidence.Fail, `does not meet the expectation: {"status":"healthy"`},
		"a field that is not there":   {"/health", httpParams{Expect: `body.state == "ok"`}, evidence.Unknown, "state"},
		"degraded":                    {"/degraded", httpParams{}, evidence.Fail, `status 503, expected 200: {"status":"degraded"}`},
		"either status is meant":      {"/degraded", httpParams{Status: 200, Expect: `status in [200, 503] && body.status == "degraded"`}, evidence.Pass, ""},
		"neither status came":         {"/nothing", httpParams{Status: 200, Expect: `status in [200, 503]`}, evidence.Fail, "does not meet the expectation"},
		"another status is meant":     {"/degraded", httpParams{Status: 503, Expect: `body.status == "degraded"`}, evidence.Pass, ""},
		"a page where JSON was meant": {"/page", httpParams{Expect: `body.status == "healthy"`}, evidence.Fail, "the answer is no JSON"},
		"a page":                      {"/page", httpParams{Expect: `text.contains("welcome")`}, evidence.Pass, ""},
		"nothing":                     {"/nothing", httpParams{Status: 204}, evidence.Pass, ""},
		"more than is looked at":      {"/large", httpParams{Expect: "text.size() > 5"}, evidence.Unknown, "more than 1048576 bytes"},
		"a redirect is its own":       {"/away", httpParams{}, evidence.Fail, "status 302, expected 200"},
		"what was sent": {"/echo", httpParams{
			Method: "POST", Send: "hello", Headers: map[string]string{"X-Role": "probe", "Host": "edge.test"},
			Expect: `text == "POST edge.test probe hello"`,
		}, evidence.Pass, ""},
		"too slow":                  {"/health", httpParams{Below: time.Nanosecond}, evidence.Fail, "the answer took"},
		"fast enough":               {"/health", httpParams{Below: time.Minute}, evidence.Pass, ""},
		"no answer in time":         {"/hangs", httpParams{Timeout: 50 * time.Millisecond}, evidence.Fail, "no answer within 50ms"},
		"half an answer in time":    {"/stalls", httpParams{Timeout: 50 * time.Millisecond}, evidence.Fail, "no answer within 50ms"},
		"its key is in no detail":   {"/hangs?key=hunter2", httpParams{Timeout: 50 * time.Millisecond}, evidence.Fail, "/hangs: no answer"},
		"a status that is not, 404": {"/nowhere", httpParams{}, evidence.Fail, "status 404, expected 200: 404 page not found"},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.URL = s.URL + c.path
			r := read(t, c.p)
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v because %q", r, c.want, c.detail)
			}
			if strings.Contains(r.Detail+r.Source+r.Query+r.Bound, "hunter2") {
				t.Errorf("a key shows: %+v", r)
			}
		})
	}
}

func read(t *testing.T, p httpParams) evidence.Reading {
	t.Helper()
	c, err := newCheck(p)
	if err != nil {
		t.Fatal(err)
	}
	return c.Read(t.Context())
}

func TestHTTPFailsWhenNobodyIsThere(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // listens, and never speaks
	gone := ingest(t)
	gone.Close()
	for name, c := range map[string]struct{ url, detail string }{
		"refused": {gone.URL, "connection refused"},
		"silent":  {"http://" + l.Addr().String(), "no answer within 100ms"},
		"no name": {"http://no-such-host.invalid/", "no-such-host.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, httpParams{URL: c.url, Timeout: 100 * time.Millisecond})
			if r.Verdict != evidence.Fail || r.Value != "unreachable" || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want fail because %q", r, c.detail)
			}
		})
	}
}

func TestHTTPParamsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		p    httpParams
		want string
	}{
		"a host alone":       {httpParams{URL: "localhost:80"}, "url: that is no URL of HTTP"},
		"no such status":     {httpParams{URL: "http://h/", Status: 42}, "status: 42 is no status of HTTP"},
		"known later":        {httpParams{URL: "${INGEST_URL}/health"}, ""},
		"a URL that is good": {httpParams{URL: "https://h/health"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.p.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
