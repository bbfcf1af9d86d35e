package prometheus

import (
	"testing"

	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
)

const asWritten = `
segue: v1
name: all-of-prometheus
connections:
  prom: {prometheus: {url: "${PROMETHEUS_URL}", timeout: 5s}}
  pages: {prometheus: {scrape: ["${PAGE}/metrics"], every: 1s, keep: 10m}}
checks:
  up:     {promql: {on: prom, query: "up", above: 0}}
  slow:   {promql: {on: prom, query: "scrape_duration_seconds", below: 10.5, above: 0, series: each, max-age: 1m}}
  number: {promql: {on: prom, query: "up", expect: "value == 1"}}
  page:   {metrics: {url: "${PAGE}", metric: written_total, labels: {result: success}, below: 100, series: sum, timeout: 5s}}
  errors: {ratio: {on: prom, bad: 'written_total{result=~"dlq|retry"}', total: written_total, below: 10%, window: 5m, min-samples: 20, max-age: 2m}}
  direct: {ratio: {url: "${PAGE}", bad: 'written_total{result=~"dlq|retry"}', total: written_total, below: 0.1%}}
  light:  {promql: {on: pages, query: "sum(written_total)", above: 0, below: 100, clears-below: 50}}
  surely: {ratio: {on: prom, bad: 'written_total{result=~"dlq|retry"}', total: written_total, below: 0.1%, confidence: 95%, false-alarm-in: 30d, on-restart: go-on}}
  even:   {ratio.compare: {on: prom, bad: 'written_total{v="2",result="dlq"}', total: 'written_total{v="2"}', old-bad: 'written_total{v="1",result="dlq"}', old-total: 'written_total{v="1"}', by: 0.01%}}
  quick:  {quantile: {on: prom, histogram: prometheus_http_request_duration_seconds, quantile: 99%, below: 100ms}}
  near:   {promql.near: {on: prom, file: "${DIR}/baseline.json", name: up, within: 10%, direction: down, query: sum(up)}}
phases:
  - name: one
    require: [up, slow, number, page, errors, direct, near, surely, even, quick, light]
    steps:
      - name: Take the baseline
        promql.baseline: {on: prom, file: "${DIR}/baseline.json", queries: {up: sum(up), written: sum(written_total)}, within: 1m}
`

func TestPartsWorkAsWritten(t *testing.T) {
	s := server(t)
	prom.set(`written_total{result="success"}`, 7)
	shows(t, s, "written_total", 7)
	made := drivertest.Make(t, asWritten, map[string]string{"PROMETHEUS_URL": prom.url, "PAGE": prom.exporter.URL, "DIR": t.TempDir()}, Parts()...)
	take := made.Actions["Take the baseline"]
	if _, err := take.Apply(t.Context(), (&record{}).effect(t, take)); err != nil {
		t.Fatal(err)
	}
	want := map[string]evidence.Verdict{
		"up": evidence.Pass, "slow": evidence.Pass, "number": evidence.Pass, "page": evidence.Pass, "near": evidence.Pass, "light": evidence.Pass,
		"errors": evidence.Unknown, "direct": evidence.Unknown, "surely": evidence.Unknown, "even": evidence.Unknown, "quick": evidence.Unknown, // one look has no increments
	}
	for name, check := range made.Checks {
		if r := check.Read(t.Context()); r.Verdict != want[name] {
			t.Errorf("%s: %+v, want %v", name, r, want[name])
		}
	}
}
