package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/announce"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// update is the seed's status update.
const update = `[UPDATE] Migration Phase {{.Phase.Number}}/{{.Phases}} - {{.Status}}
Phase {{.Phase.Number}}: {{.Phase.Name}} ({{.Phase.Stage}})
Status: {{.Mark}} {{.Status}}{{with .Why}}: {{.}}{{end}}
Duration: {{.Phase.Took.Minutes}} minutes ({{.Phase.Took}}), {{.Took}} in all
Next: {{if .Next.Name}}Phase {{.Next.Number}} ({{.Next.Name}}) in {{.Next.In}}, at {{.Next.At}}{{else}}nothing{{end}}
Started: {{.Started}} by {{.Actor}}, ended: {{.Ended}}, now: {{.Now}}
Metrics:
- a: {{figure "a-is-two"}}
{{range .Issues}}! {{.}}
{{end}}{{range .Waits}}~ {{.}}
{{end}}`

func TestATemplateSaysHowARunStands(t *testing.T) {
	told := stories(t)
	whole, broken, partial := told["completed"], told["rolled-back"], told["partial"]
	gating := until(whole, after(t, whole, "gate.opened"))
	var out strings.Builder
	for _, c := range []struct {
		name   string
		h      *runner.History
		holder string
		now    time.Time
	}{
		{"applying", until(whole, after(t, whole, "step.intent")), holder, last(gating)},
		{"gating", gating, holder, last(gating).Add(2200 * time.Millisecond)},
		{"nobody", gating, "", last(gating)},
		{"completed", whole, "", last(whole).Add(time.Hour)},
		{"rolling-back", until(broken, after(t, broken, "undo.done")), holder, last(broken)},
		{"rolled-back", broken, "", last(broken).Add(time.Hour)},
		{"paused", until(partial, after(t, partial, "rollback.ended")), holder, last(partial)},
	} {
		s, d := report.Live(c.h, nil, c.now)
		facts := report.Facts(c.h.Runbook, report.Status(c.h, s, d, c.holder, c.now))
		out.WriteString("== " + c.name + "\n" + filled(t, facts))
	}
	out.WriteString("== ahead\n" + filled(t, report.Ahead(whole.Runbook, last(whole))))
	golden(t, "templates.txt", out.String())
}

func filled(t *testing.T, facts announce.Facts) string {
	t.Helper()
	c, errs := announce.Compile(update, nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	text, err := announce.Fill(c.Text, facts, nil, map[string]announce.Figure{"a-is-two": {Text: "two", Verdict: "pass"}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The gate of the first of two phases says when the second can begin; not when
// its clocks stand still.
func TestWhenTheNextPhaseCanBeginIsSaidOnlyWhenItIsKnown(t *testing.T) {
	whole := stories(t)["completed"]
	n := report.Now{
		Status: engine.Running, Holder: holder, At: last(whole), Phase: 1,
		Phases: []report.NowPhase{{Name: "one", Gate: &report.NowGate{Earliest: last(whole).Add(90 * time.Second)}}, {Name: "two"}},
	}
	if f := report.Facts(whole.Runbook, n); f.Next.In.String() != "1m30s" || f.Next.Number != 2 {
		t.Errorf("%+v", f.Next)
	}
	n.Holder = ""
	if f := report.Facts(whole.Runbook, n); f.Next.In.Known() || f.Next.At.Known() {
		t.Errorf("nobody carries it on, and yet it begins: %+v", f.Next)
	}
	n.Holder, n.Status = holder, engine.PausedStatus
	if f := report.Facts(whole.Runbook, n); f.Next.In.Known() {
		t.Errorf("it is paused, and yet it begins: %+v", f.Next)
	}
}

func TestAFigureIsNeverOldOrUnknownWithoutSayingSo(t *testing.T) {
	now := time.Date(2025, 10, 1, 2, 0, 0, 0, time.UTC)
	read := func(r evidence.Reading, ago time.Duration) runner.Checked {
		r.At = now.Add(-ago)
		return runner.Checked{Check: "x", Reading: r}
	}
	unsure := evidence.Unsure("no data\nat all")
	unsure.Value = "7"
	for want, r := range map[string]runner.Checked{
		"12 msg/min":                  read(evidence.Passed("12 msg/min", "above 1"), 0),
		"3 %":                         read(evidence.Failed("3 %", "below 1 %", "too many"), time.Minute),
		"unknown (no data at all)":    read(unsure, 0),
		"unknown (it gave no reason)": read(evidence.Reading{}, time.Hour),
		"fail (connection refused)":   read(evidence.Failed("", "", "connection refused"), 0),
		"pass":                        read(evidence.Passed("", ""), 0),
		"12 (as of 2025-10-01 01:50:00 UTC, 10m ago)": read(evidence.Passed("12", ""), 10*time.Minute),
	} {
		if got := report.Figure(r, now).Text; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
