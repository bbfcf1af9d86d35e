package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
)

const samplePage = `# TYPE jobs_total counter
jobs_total{result="success",stream="a"} 97
jobs_total{result="dlq",stream="a"} 3
# TYPE pending gauge
pending NaN
# TYPE took summary
took{quantile="0.99"} 0.25
took_sum 12
took_count 100
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 90
took_seconds_bucket{le="+Inf"} 100
took_seconds_sum 5
took_seconds_count 100
plain 4
`

func serve(t *testing.T, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

func TestMetricsReadsAPage(t *testing.T) {
	url := serve(t, 200, samplePage+fmt.Sprintf("aged 4 %d\n", time.Now().Add(-time.Hour).UnixMilli()))
	for name, c := range map[string]struct {
		metric string
		labels map[string]string
		bound  boundParams
		want   evidence.Verdict
		detail string
	}{
		"by labels":             {"jobs_total", map[string]string{"result": "dlq"}, boundParams{Below: ptr(4)}, evidence.Pass, ""},
		"by a selector":         {`jobs_total{result=~"dlq|retry"}`, nil, boundParams{Below: ptr(3)}, evidence.Fail, "3 is not below 3"},
		"several":               {"jobs_total", nil, boundParams{Below: ptr(1000)}, evidence.Unknown, "2 series answer where one is meant"},
		"their sum":             {"jobs_total", nil, boundParams{Above: ptr(99), Below: ptr(101), Series: "sum"}, evidence.Pass, ""},
		"not there":             {"jobs", nil, boundParams{Below: ptr(1)}, evidence.Unknown, "no data"},
		"NaN":                   {"pending", nil, boundParams{Below: ptr(1)}, evidence.Unknown, "NaN"},
		"a quantile":            {"took", map[string]string{"quantile": "0.99"}, boundParams{Below: ptr(0.5)}, evidence.Pass, ""},
		"a count":               {"took_count", nil, boundParams{Above: ptr(99)}, evidence.Pass, ""},
		"a bucket":              {"took_seconds_bucket", map[string]string{"le": "0.1"}, boundParams{Below: ptr(91)}, evidence.Pass, ""},
		"the last bucket":       {"took_seconds_bucket", map[string]string{"le": "+Inf"}, boundParams{Expect: "value == 100.0"}, evidence.Pass, ""},
		"a metric without type": {"plain", nil, boundParams{Below: ptr(5)}, evidence.Pass, ""},
		"with an old timestamp": {"aged", nil, boundParams{Below: ptr(5)}, evidence.Unknown, "stale"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := newMetrics(metricsParams{URL: url, Metric: c.metric, Labels: c.labels, boundParams: c.bound})
			if err != nil {
				t.Fatal(err)
			}
			r := m.Read(t.Context())
			if r.Verdict != c.want || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want %v because %q", r, c.want, c.detail)
			}
		})
	}
}

func TestMetricsIsUnknownWithoutAPage(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	for name, c := range map[string]struct{ url, detail string }{
		"nobody is there": {"http://127.0.0.1:1/metrics", "connection refused"},
		"an error":        {serve(t, 500, "no"), "HTTP 500"},
		"a page of HTML":  {serve(t, 200, "<html>\n"), "scrape metrics page"},
		"an empty page":   {serve(t, 200, ""), "no data"},
		"half a page":     {serve(t, 200, "plain 4\npla"), "scrape metrics page"},
		"a hang":          {hang.URL, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := newMetrics(metricsParams{URL: c.url, Metric: "plain", Timeout: 100 * time.Millisecond, boundParams: boundParams{Below: ptr(5)}})
			if err != nil {
				t.Fatal(err)
			}
			if r := m.Read(t.Context()); r.Verdict != evidence.Unknown || !strings.Contains(r.Detail, c.detail) {
				t.Errorf("%+v, want unknown because %q", r, c.detail)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	labels := map[string]string{"__name__": "jobs_total", "result": "dlq", "path": `a"b`}
	for text, want := range map[string]string{
		`jobs_total`:                           "yes",
		`jobs_total{}`:                         "yes",
		` jobs_total { result = "dlq", } `:     "yes",
		`jobs_total{result="dlq",path="a\"b"}`: "yes",
		`jobs_total{path='a"b'}`:               "yes",
		`jobs_total{result=~"dlq|retry"}`:      "yes",
		`jobs_total{result=~"dl"}`:             "no",
		`jobs_total{result!~"dl.*"}`:           "no",
		`jobs_total{result!="dlq"}`:            "no",
		`jobs_total{stream=""}`:                "yes",
		`jobs_total{stream!=""}`:               "no",
		`jobs`:                                 "no",
		``:                                     "error",
		`rate(jobs_total[5m])`:                 "error",
		`jobs_total[5m]`:                       "error",
		`jobs_total{result="dlq"`:              "error",
		`jobs_total{result="dlq"} > 5`:         "error",
		`jobs_total{result=dlq}`:               "error",
		`jobs_total{result=~"("}`:              "error",
		`jobs_total{result="dlq"}{stream="a"}`: "error",
	} {
		s, err := parseSelector(text)
		got := map[bool]string{true: "yes", false: "no"}[s.matches(labels)]
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
}
