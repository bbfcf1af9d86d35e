package prometheus

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

func TestPromQLReadsWhatPrometheusSays(t *testing.T) {
	s := server(t)
	prom.set(`lag{stream="a"}`, 5)
	prom.set(`lag{stream="b"}`, 90)
	prom.set(`lag{stream="c"}`, "NaN")
	prom.set(`aged`, fmt.Sprintf("7 %d", time.Now().Add(-3*time.Minute).UnixMilli()))
	shows(t, s, `count(lag)`, 3)
	shows(t, s, "aged", 7)
	const two = `lag{stream=~"a|b"}`
	for name, c := range map[string]struct {
		query  string
		bound  boundParams
		want   evidence.Verdict
		detail string
	}{
		"one series below":         {`lag{stream="a"}`, boundParams{Below: ptr(10)}, evidence.Pass, ""},
		"one series not below":     {`lag{stream="b"}`, boundParams{Below: ptr(10)}, evidence.Fail, "90 is not below 10"},
		"between":                  {`lag{stream="b"}`, boundParams{Below: ptr(100), Above: ptr(80)}, evidence.Pass, ""},
		"a scalar":                 {`scalar(lag{stream="a"})`, boundParams{Above: ptr(4)}, evidence.Pass, ""},
		"no data":                  {`lag{stream="zzz"}`, boundParams{Below: ptr(10)}, evidence.Unknown, "no data"},
		"a misspelt metric":        {`leg`, boundParams{Below: ptr(10)}, evidence.Unknown, "no data"},
		"NaN below":                {`lag{stream="c"}`, boundParams{Below: ptr(10)}, evidence.Unknown, "NaN"},
		"NaN above":                {`lag{stream="c"}`, boundParams{Above: ptr(10)}, evidence.Unknown, "NaN"},
		"a ratio of no traffic":    {`sum(lag) * 0 / 0`, boundParams{Below: ptr(10)}, evidence.Unknown, "NaN"},
		"several where one is":     {two, boundParams{Below: ptr(100)}, evidence.Unknown, "2 series answer where one is meant"},
		"each holds":               {two, boundParams{Below: ptr(100), Series: "each"}, evidence.Pass, ""},
		"each, and one does not":   {two, boundParams{Below: ptr(10), Series: "each"}, evidence.Fail, `lag{instance=`},
		"each, and one is NaN":     {`lag`, boundParams{Below: ptr(100), Series: "each"}, evidence.Unknown, "NaN"},
		"each, NaN and one fails":  {`lag`, boundParams{Below: ptr(10), Series: "each"}, evidence.Fail, "90"},
		"any holds":                {two, boundParams{Below: ptr(10), Series: "any"}, evidence.Pass, ""},
		"any, and none does":       {two, boundParams{Below: ptr(1), Series: "any"}, evidence.Fail, "5"},
		"any, none does, one NaN":  {`lag`, boundParams{Below: ptr(1), Series: "any"}, evidence.Unknown, "NaN"},
		"the sum":                  {two, boundParams{Below: ptr(96), Above: ptr(94), Series: "sum"}, evidence.Pass, ""},
		"a sum with a NaN":         {`lag`, boundParams{Below: ptr(100), Series: "sum"}, evidence.Unknown, "NaN"},
		"an expression of one":     {`lag{stream="a"}`, boundParams{Expect: "value == 5.0"}, evidence.Pass, ""},
		"an expression of several": {two, boundParams{Expect: `series.exists(s, s.labels.stream == "b" && s.value > 80.0)`}, evidence.Pass, ""},
		"value, of several":        {two, boundParams{Expect: `value > 1.0`}, evidence.Unknown, "there is no value"},
		"an expression of NaN":     {`lag`, boundParams{Expect: `values.size() == 3`}, evidence.Unknown, "NaN"},
		"an expression fails":      {`lag{stream="a"}`, boundParams{Expect: "value > 5.0"}, evidence.Fail, "5 does not meet value > 5.0"},
		"stale":                    {`aged`, boundParams{Below: ptr(10)}, evidence.Unknown, "stale: the newest sample is 3m"},
		"no PromQL":                {`lag{`, boundParams{Below: ptr(10)}, evidence.Unknown, "bad_data"},
		"a range":                  {`lag{stream="a"}[5s]`, boundParams{Below: ptr(10)}, evidence.Unknown, "range of samples"},
		"a string":                 {`"hello"`, boundParams{Below: ptr(10)}, evidence.Unknown, "gives a string"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := newBound(c.bound)
			if err != nil {
				t.Fatal(err)
			}
			r := (&promql{s, c.query, defaultMaxAge, b}).Read(t.Context())
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v because %q", r, c.want, c.detail)
			}
		})
	}
	t.Run("a target that vanishes is no data", func(t *testing.T) {
		prom.drop(`lag{stream="a"}`)
		b, _ := newBound(boundParams{Below: ptr(10)})
		eventually(t, "unknown", func() bool {
			r := (&promql{s, `lag{stream="a"}`, defaultMaxAge, b}).Read(t.Context())
			return r.Verdict == evidence.Unknown
		})
	})
}

func TestPromQLIsUnknownWithoutAnAnswer(t *testing.T) {
	silent, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]}}`)
	}))
	defer guarded.Close()
	for name, c := range map[string]struct {
		server *Server
		detail string
	}{
		"nobody is there":     {connected(t, connParams{URL: "http://127.0.0.1:1"}), "connection refused"},
		"nobody speaks":       {connected(t, connParams{URL: "http://" + silent.Addr().String(), Timeout: 50 * time.Millisecond}), "deadline exceeded"},
		"a wrong token":       {connected(t, connParams{URL: guarded.URL, Token: "hunter2"}), "HTTP 401"},
		"a gateway's page":    {fake(t, 502, "<html>bad gateway"), "HTTP 502 Bad Gateway and no answer of Prometheus"},
		"a page with 200":     {fake(t, 200, "<html>welcome"), "no answer of Prometheus"},
		"an error with 200":   {fake(t, 200, `{"status":"error","errorType":"timeout","error":"query timed out"}`), "timeout query timed out"},
		"a part is missing":   {fake(t, 200, `{"status":"success","warnings":["store gateway away"],"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]}}`), "it warns: store gateway away"},
		"a native histogram":  {fake(t, 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{}]}]}}`), "a histogram, not a number"},
		"a value that is not": {fake(t, 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}`), "invalid syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBound(boundParams{Below: ptr(10)})
			r := (&promql{c.server, "sum(x)", defaultMaxAge, b}).Read(t.Context())
			if r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, c.detail) || strings.Contains(r.Detail, "hunter2") {
				t.Errorf("%+v, want unknown because %q", r, c.detail)
			}
		})
	}
	t.Run("the right token", func(t *testing.T) {
		b, _ := newBound(boundParams{Below: ptr(10)})
		r := (&promql{connected(t, connParams{URL: guarded.URL, Token: "right"}), "sum(x)", defaultMaxAge, b}).Read(t.Context())
		if r.Verdict != evidence.Pass || r.Value != "3" {
			t.Errorf("%+v, want pass", r)
		}
	})
}

func TestBoundParamsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		p    boundParams
		want string
	}{
		"nothing asked": {boundParams{}, "below: nothing is asked of the number"},
		"both":          {boundParams{Below: ptr(1), Expect: "value > 1"}, "expect: expect and a bound exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.p.Validate(); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestConnectionsAreRefusedWithoutShowingWhy(t *testing.T) {
	for name, c := range map[string]struct {
		p    connParams
		want string
	}{
		"no URL":                {connParams{URL: "u:hunter2@h:9090"}, "the URL of prometheus cannot be used"},
		"two authentications":   {connParams{URL: "http://h", Token: "hunter2", Username: "u"}, "exclude each other"},
		"no such authorities":   {connParams{URL: "https://u:hunter2@h", CA: "/no/such.pem"}, "no such file"},
		"authorities of no PEM": {connParams{URL: "https://h", CA: "/dev/null"}, "holds no PEM certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(c.p)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAServerBehindTLSAndAPassword(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "segue" || password != "hunter2" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]}]}}`)
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it hangs up
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p      connParams
		want   evidence.Verdict
		detail string
	}{
		"its authority and its password": {connParams{URL: secure.URL, CA: ca, Username: "segue", Password: "hunter2"}, evidence.Pass, ""},
		"another password":               {connParams{URL: secure.URL, CA: ca, Username: "segue", Password: "hunter3"}, evidence.Unknown, "HTTP 401"},
		"an authority that is not known": {connParams{URL: secure.URL, Username: "segue", Password: "hunter2"}, evidence.Unknown, "certificate"},
	} {
		b, _ := newBound(boundParams{Below: ptr(10)})
		r := (&promql{connected(t, c.p), "sum(x)", defaultMaxAge, b}).Read(t.Context())
		if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) || strings.Contains(r.Detail, "hunter") {
			t.Errorf("%s: %+v, want %s because %q", name, r, c.want, c.detail)
		}
	}
}
