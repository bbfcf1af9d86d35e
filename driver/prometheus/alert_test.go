package prometheus

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

const guarded = `
segue: v1
name: guarded
connections:
  prom: {prometheus: {url: "${PROMETHEUS_URL}"}}
checks:
  lag:     {promql: {on: prom, query: sum(lag), below: 100, above: 0}}
  busy:    {promql: {on: prom, query: busy, above: 0, series: any}}
  page:    {metrics: {url: "${PAGE}", metric: depth, labels: {queue: "a\"b"}, below: 5, series: each}}
  errors:  {ratio: {on: prom, bad: 'bad_total{job="a"}', total: 'all_total{job="a"}', below: 1%, window: 10m}}
  surely:  {ratio: {on: prom, bad: bad_total, total: all_total, below: 1%, confidence: 95%}}
  even:    {ratio.compare: {on: prom, bad: 'bad_total{v="2"}', total: 'all_total{v="2"}', old-bad: 'bad_total{v="1"}', old-total: 'all_total{v="1"}', by: 1%}}
  quick:   {quantile: {on: prom, histogram: 'took_seconds{job="a",}', quantile: 99%, below: 100ms}}
  asked:   {promql: {on: prom, query: up, expect: value == 1}}
  near:    {promql.near: {on: prom, file: /nowhere, name: up}}
  secret:  {promql: {on: prom, query: 'up{job="${JOB}"}', above: 0}}
guards:
  - {check: lag, fails-for: 10m, do: notify, severity: P2, unknown-for: 5m, then: pause}
  - {check: busy, fails-for: 90s, do: pause}
  - {check: page, do: rollback}
  - {check: errors, do: rollback}
  - {check: surely, do: rollback}
  - {check: even, do: rollback}
  - {check: quick, do: rollback}
  - {check: asked, do: rollback}
  - {check: near, do: rollback}
  - {check: secret, do: rollback}
phases:
  - name: one
    steps:
      - name: Take the baseline
        promql.baseline: {on: prom, file: /nowhere, queries: {up: sum(up)}}
`

func rulesOf(t *testing.T, source string) []byte {
	t.Helper()
	var catalog driver.Catalog
	catalog.Add(Parts()...)
	rb, err := runbook.Parse("guarded.yaml", []byte(source), &catalog, runbook.Values{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Rules(rb, &catalog)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestGuardsAreAlertingRules(t *testing.T) {
	raw := rulesOf(t, guarded)
	groups, errs := rulefmt.Parse(raw, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		t.Fatalf("%s", raw)
	}
	want := map[string]string{
		"lag":         "(sum(lag)) >= 100 or (sum(lag)) <= 0",
		"busy":        "(max(busy)) <= 0",
		"page":        `(depth{queue="a\"b"}) >= 5`,
		"asked":       `segue_check_verdict{runbook="guarded",check="asked",verdict="fail"} == 1`,
		"near":        `segue_check_verdict{runbook="guarded",check="near",verdict="fail"} == 1`,
		"secret":      `segue_check_verdict{runbook="guarded",check="secret",verdict="fail"} == 1`,
		"lag-unknown": `segue_check_verdict{runbook="guarded",check="lag",verdict="unknown"} == 1`,
	}
	seen := 0
	for _, r := range groups.Groups[0].Rules {
		seen++
		if expr, ok := want[r.Alert]; ok && r.Expr != expr {
			t.Errorf("%s: %s, want %s", r.Alert, r.Expr, expr)
		}
		switch r.Alert {
		case "lag":
			if r.For.String() != "10m" || r.Labels["severity"] != "P2" || r.Labels["action"] != "notify" {
				t.Errorf("%+v", r)
			}
		case "busy":
			if r.For.String() != "1m30s" {
				t.Errorf("%+v", r)
			}
		}
	}
	if seen != 11 {
		t.Errorf("%d rules, want 11", seen)
	}
}

// The rules fire on what their guards fire on, and on nothing else: Debian's
// promtool plays series to them.
const played = `
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'bad_total{job="a",v="2"}', values: '0+6x30'}
      - {series: 'all_total{job="a",v="2"}', values: '0+100x30'}
      - {series: 'bad_total{job="b",v="1"}', values: '0+0x30'}
      - {series: 'all_total{job="b",v="1"}', values: '0+100x30'}
      - {series: 'took_seconds_bucket{job="a",le="0.1"}', values: '0+90x30'}
      - {series: 'took_seconds_bucket{job="a",le="+Inf"}', values: '0+100x30'}
      - {series: 'lag', values: '500x30'}
      - {series: 'busy{q="a"}', values: '0x30'}
      - {series: 'busy{q="b"}', values: '1x30'}
    alert_rule_test:
      - {eval_time: 20m, alertname: errors, exp_alerts: [{exp_labels: {runbook: guarded, guard: errors, action: rollback}, exp_annotations: {summary: "errors: check errors of runbook guarded fails; its guard does: rollback"}}]}
      - {eval_time: 20m, alertname: surely, exp_alerts: [{exp_labels: {runbook: guarded, guard: surely, action: rollback}, exp_annotations: {summary: "surely: check surely of runbook guarded fails; its guard does: rollback"}}]}
      - {eval_time: 20m, alertname: even, exp_alerts: [{exp_labels: {runbook: guarded, guard: even, action: rollback}, exp_annotations: {summary: "even: check even of runbook guarded fails; its guard does: rollback"}}]}
      - {eval_time: 20m, alertname: quick, exp_alerts: [{exp_labels: {runbook: guarded, guard: quick, action: rollback}, exp_annotations: {summary: "quick: check quick of runbook guarded fails; its guard does: rollback"}}]}
      - {eval_time: 9m, alertname: lag, exp_alerts: []}
      - {eval_time: 11m, alertname: lag, exp_alerts: [{exp_labels: {runbook: guarded, guard: lag, action: notify, severity: P2}, exp_annotations: {summary: "lag: check lag of runbook guarded fails; its guard does: notify"}}]}
      - {eval_time: 20m, alertname: busy, exp_alerts: []}
  - interval: 1m
    input_series: # well: no error yet, as many slow ones as may be
      - {series: 'bad_total{job="a",v="2"}', values: '0+0x30'}
      - {series: 'all_total{job="a",v="2"}', values: '0+100x30'}
      - {series: 'bad_total{job="b",v="1"}', values: '0+0x30'}
      - {series: 'all_total{job="b",v="1"}', values: '0+100x30'}
      - {series: 'took_seconds_bucket{job="a",le="0.1"}', values: '0+99x30'}
      - {series: 'took_seconds_bucket{job="a",le="+Inf"}', values: '0+100x30'}
    alert_rule_test:
      - {eval_time: 20m, alertname: errors, exp_alerts: []}
      - {eval_time: 20m, alertname: surely, exp_alerts: []}
      - {eval_time: 20m, alertname: even, exp_alerts: []}
      - {eval_time: 20m, alertname: quick, exp_alerts: []}
  - interval: 1m
    input_series: # five requests, one of them bad: no evidence
      - {series: 'bad_total{job="a",v="2"}', values: '0 0 0 0 1x30'}
      - {series: 'all_total{job="a",v="2"}', values: '0 1 2 3 5x30'}
    alert_rule_test:
      - {eval_time: 5m, alertname: errors, exp_alerts: []}
      - {eval_time: 5m, alertname: surely, exp_alerts: []}
`

func TestPromtoolPlaysSeriesToTheRules(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"rules.yml": string(rulesOf(t, guarded)), "test.yml": played} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	promtool := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command("promtool", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	promtool("11 rules found", "check", "rules", "rules.yml")
	promtool("SUCCESS", "test", "rules", "test.yml")
}
