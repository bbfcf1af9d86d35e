package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/runner/sim"
)

func stories(t *testing.T) map[string]*runner.History {
	t.Helper()
	return map[string]*runner.History{
		"completed":   recorded(t, "completed", sim.Plan{Seed: 1, Runbook: migration, CrashAt: []int{23}}),
		"rolled-back": recorded(t, "rolled-back", sim.Plan{Seed: 1, Runbook: breaking}),
		"partial": recorded(t, "partial", sim.Plan{Seed: 1, Runbook: migration, Signals: map[int64]engine.Signal{
			27: {Kind: engine.SignalRollback, Actor: "bob", Of: "two", Note: "the numbers look odd"},
			28: {Kind: engine.SignalApprove, Actor: "eve", Role: "lead", Of: "two"},
		}}),
	}
}

func TestReports(t *testing.T) {
	for name, h := range stories(t) {
		t.Run(name, func(t *testing.T) {
			r := report.Make(h, passing(h.Events[0].At, 6, "a-is-two"))
			golden(t, "report-"+name+".md", report.Markdown(r))
			raw, err := report.JSON(r)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "report-"+name+".json", string(raw))
			again, err := report.JSON(report.Make(h, passing(h.Events[0].At, 6, "a-is-two")))
			if err != nil || string(again) != string(raw) {
				t.Errorf("the same history gave another report (%v)", err)
			}
		})
	}
}

func TestAReportAsJSONComesBack(t *testing.T) {
	want := report.Make(stories(t)["partial"], nil)
	raw, err := report.JSON(want)
	if err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	back, err := report.JSON(&got)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(raw), string(back)); d != "" {
		t.Error(d)
	}
}

func TestSpansAreSaidWithTheFiguresThatMatter(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 340 * time.Millisecond: "340ms", 4 * time.Second: "4s", 2549 * time.Millisecond: "2.5s",
		59999 * time.Millisecond: "59s", 252 * time.Second: "4m12s", 2 * time.Minute: "2m",
		2*time.Hour + 3*time.Minute: "2h03m", 76 * time.Hour: "3d04h", -time.Second: "-1s",
	} {
		if got := report.Span(d).String(); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
