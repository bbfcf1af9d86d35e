package prometheus

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

func light(t *testing.T, urls ...string) *Server {
	t.Helper()
	return connected(t, connParams{Scrape: urls, Every: 20 * time.Millisecond, Timeout: 5 * time.Second})
}

// The engine over scraped pages says what Debian's Prometheus says of them.
func TestPagesAnswerPromQLAsPrometheusDoes(t *testing.T) {
	s := server(t)
	prom.set(`light_total{q="a"}`, 3)
	prom.set(`light_total{q="b"}`, 4)
	shows(t, s, "sum(light_total)", 7)
	l := light(t, prom.exporter.URL+"/metrics")
	for _, query := range []string{
		"sum(light_total)", `light_total{q="b"} / 2`, "max by (q) (light_total)", "light_total > 3", "absent(light_total)", "absent(nothing)", "count(up)",
		`sum(light_total) / sum(nothing_total)`, "time() - timestamp(light_total) < 60 and light_total == 3", "scalar(sum(light_total))", "1 +",
	} {
		want, wantErr := s.query(t.Context(), query)
		got, gotErr := l.query(t.Context(), query)
		if (wantErr == nil) != (gotErr == nil) || len(got) != len(want) {
			t.Errorf("%s: %v, %v, and Prometheus %v, %v", query, got, gotErr, want, wantErr)
			continue
		}
		if strings.Contains(query, "time()") {
			continue // of the moment
		}
		sum1, sum2 := 0.0, 0.0
		for i := range got {
			sum1, sum2 = sum1+got[i].last().value, sum2+want[i].last().value
		}
		if sum1 != sum2 {
			t.Errorf("%s: %v, and Prometheus %v", query, got, want)
		}
	}
}

func TestChecksWorkOnPages(t *testing.T) {
	e := newExporter()
	t.Cleanup(e.Close)
	e.set("all_total", 100)
	e.set("bad_total", 0)
	s := light(t, e.URL+"/metrics")
	r, err := newRatio(s, ratioParams{Bad: "bad_total", Total: "all_total", Below: 1, claimParams: claimParams{Confidence: percent(95)}})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, r.Read(t.Context()), evidence.Unknown, evidence.Unknown, "no traffic")
	e.set("all_total", 5100)
	eventually(t, "5000 are counted", func() bool { return r.Read(t.Context()).Verdict == evidence.Pass })
	e.set("all_total", 6100)
	e.set("bad_total", 900)
	eventually(t, "the errors are counted", func() bool { return r.Read(t.Context()).Verdict == evidence.Fail })
	// A counter that the page no longer shows has no value; nor has any when the
	// page is away.
	b, err := newBound(boundParams{Above: ptr(0)})
	if err != nil {
		t.Fatal(err)
	}
	check := &promql{s, "bad_total", defaultMaxAge, b}
	if got := check.Read(t.Context()); got.Verdict != evidence.Pass {
		t.Errorf("%+v", got)
	}
	e.drop("bad_total")
	eventually(t, "the dropped series ends", func() bool { return check.Read(t.Context()).Verdict == evidence.Unknown })
	e.Close()
	up := &promql{s, "up", defaultMaxAge, b}
	eventually(t, "the page is down", func() bool { return up.Read(t.Context()).Verdict == evidence.Fail })
}

// A page that hangs keeps no other: each has its own loop.
func TestAPageThatHangsKeepsNoOther(t *testing.T) {
	released := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(released); hanging.Close() })
	e := newExporter()
	t.Cleanup(e.Close)
	e.set("alive", 1)
	s := connected(t, connParams{Scrape: []string{hanging.URL + "/metrics", e.URL + "/metrics"}, Every: 20 * time.Millisecond, Timeout: 20 * time.Second})
	eventually(t, "the other page is read on", func() bool {
		n, err := s.query(t.Context(), "count_over_time(alive[1m]) > 5")
		return err == nil && len(n) == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	late := connected(t, connParams{Scrape: []string{hanging.URL + "/metrics"}, Timeout: time.Minute, Every: time.Minute})
	if _, err := late.query(ctx, "up"); err == nil || !strings.Contains(err.Error(), "before each was tried") {
		t.Errorf("a question to a page that hangs: %v", err)
	}
}

func TestWhatIsOldIsForgotten(t *testing.T) {
	p := newPageStore(time.Minute)
	at := time.Unix(10_000, 0)
	one := func(name string, after time.Duration) map[string]bool {
		return p.add([]series{{labels: map[string]string{"__name__": name}, samples: []sample{{at.Add(after), 1}}}}, nil, at.Add(after))
	}
	one("old", 0)
	for s := range 300 {
		one("new", time.Duration(s)*time.Second)
		one("new", time.Duration(s)*time.Second) // the same again
	}
	if len(p.series) != 1 {
		t.Errorf("%d series are kept", len(p.series))
	}
	for _, s := range p.series {
		if n := len(s.samples); n < 60 || n > 90 {
			t.Errorf("%d samples of a minute are kept", n)
		}
	}
}

func TestAServerOrPages(t *testing.T) {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	pageURL := "http://" + free.Addr().String() + "/metrics"
	for name, c := range map[string]struct {
		p    connParams
		want string
	}{
		"neither":            {connParams{}, "url: a prometheus is either a server or a list of metrics pages"},
		"both":               {connParams{URL: "http://h", Scrape: []string{pageURL}}, "url: a prometheus is either a server or a list of metrics pages"},
		"a token for a page": {connParams{Scrape: []string{pageURL}, Token: "t"}, "scrape: token, username, password and ca are for a server"},
		"a pace of a server": {connParams{URL: "http://h", Every: time.Second}, "every: every and keep are for pages that Segue scrapes"},
		"no URL":             {connParams{Scrape: []string{"metrics"}}, "the URL of the metrics page cannot be used; expected http://host:port/metrics"},
	} {
		if s, err := open(c.p); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, %v, want %s", name, s, err, c.want)
		}
	}
}

var _ driver.Conn = (*Server)(nil)
