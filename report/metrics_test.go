package report_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/report"
)

// A run at a gate whose check counts, as a page that Debian's promtool takes.
func TestMetricsArePrometheusText(t *testing.T) {
	whole := stories(t)["completed"]
	gating := until(whole, after(t, whole, "gate.opened"))
	now := last(gating).Add(2200 * time.Millisecond)
	seen := append(passing(last(gating), 4, "not-broken"), counting(last(gating), 4, 250, "a-is-two")...)
	s, d := report.Live(gating, seen, now)
	one := report.Status(gating, s, d, holder, now)
	other := one
	other.Run, other.Name = "other", "a \"quoted\"\\\nname"
	page := string(report.Metrics([]report.Now{one, other}))
	for _, want := range []string{
		`segue_run_status{run="01JD0000000000000000000000",runbook="cells",status="running"} 1`,
		`segue_run_status{run="01JD0000000000000000000000",runbook="cells",status="paused"} 0`,
		`segue_run_carried_out{run="01JD0000000000000000000000",runbook="cells"} 1`,
		`segue_phase_current{run="01JD0000000000000000000000",runbook="cells",phase="two"} 1`,
		`segue_phase_stage{run="01JD0000000000000000000000",runbook="cells",phase="two",stage="gating"} 1`,
		`segue_gate_required_seconds{run="01JD0000000000000000000000",runbook="cells",phase="two"} 4`,
		`segue_gate_samples{run="01JD0000000000000000000000",runbook="cells",phase="two",check="a-is-two"} 750`,
		`segue_gate_samples_needed{run="01JD0000000000000000000000",runbook="cells",phase="two",check="a-is-two"} 37`,
		`segue_check_verdict{run="01JD0000000000000000000000",runbook="cells",check="a-is-two",verdict="unknown"} 1`,
		`segue_check_verdict_age_seconds{run="01JD0000000000000000000000",runbook="cells",check="a-is-two"} 0.2`,
		`segue_guard_armed{run="01JD0000000000000000000000",runbook="cells",guard="not-broken",check="not-broken"} 1`,
		`segue_run_waits{run="other",runbook="a \"quoted\"\\\nname"} 2`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s\n%s", err, out, page)
	}
}
