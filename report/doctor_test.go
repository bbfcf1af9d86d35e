package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

func troubles() []runbook.Trouble {
	finding := func(text, next string) runbook.Finding { return runbook.Finding{Text: text, Next: next} }
	return []runbook.Trouble{
		{Name: "quiet", Symptom: "Nothing is heard", SeenBy: []string{"ok"}, Otherwise: &runbook.Finding{Text: "x", Next: "y"}},
		{
			Name: "consumer-not-binding", Symptom: "The new release does not bind to AA_CORE_HOT\nand falls back to ATHLETE_ALLY_EVENTS", SeenBy: []string{"ok", "binds-to-core"},
			Causes: []runbook.Cause{
				{Check: "core-exists", Finding: finding("There is no stream AA_CORE_HOT", "segue retry core/create-aa-core-hot")},
				{Check: "ok", Finding: finding("Not so", "nothing")},
				{Check: "silent", Finding: finding("It has no consumer", "segue retry core/create-its-consumer")},
			},
			Otherwise: &runbook.Finding{Text: "Not said, as a cause was found", Next: "nothing"},
		},
		{Name: "dark", Symptom: "Nobody knows", SeenBy: []string{"silent", "ok"}, Causes: []runbook.Cause{
			{Check: "core-exists", Finding: finding("There is no stream AA_CORE_HOT", "segue retry core/create-aa-core-hot")},
		}, Otherwise: &runbook.Finding{Text: "Not said, as nobody knows whether it is there", Next: "nothing"}},
		{Name: "well", Symptom: "All is well", SeenBy: []string{"ok"}, Otherwise: &runbook.Finding{Text: "x", Next: "y"}},
		{Name: "none-of-these", Symptom: "It is something else", SeenBy: []string{"core-exists"}, Causes: []runbook.Cause{
			{Check: "ok", Finding: finding("Not so", "nothing")},
		}, Otherwise: &runbook.Finding{Text: "Nothing that the runbook knows", Next: "ask the platform team"}},
		{Name: "perhaps", Symptom: "It may be something else", SeenBy: []string{"core-exists"}, Causes: []runbook.Cause{
			{Check: "not-asked", Finding: finding("The database is full", "make room")},
		}, Otherwise: &runbook.Finding{Text: "Nothing that the runbook knows", Next: "ask the platform team"}},
		{Name: "no-cause", Symptom: "Nobody knows why", SeenBy: []string{"core-exists"}, Causes: []runbook.Cause{
			{Check: "ok", Finding: finding("Not so", "nothing")},
		}},
	}
}

func answers() []runner.Checked {
	at := time.Date(2025, 10, 1, 2, 14, 5, 0, time.UTC)
	one := func(name string, r evidence.Reading, source string) runner.Checked {
		r.At, r.Source = at, source
		return runner.Checked{Check: name, Reading: r}
	}
	return []runner.Checked{
		one("ok", evidence.Passed("3 of 3 nodes", "3"), "nats://bus"),
		one("binds-to-core", evidence.Failed("0 of 2 replicas", "all", "normalize-1: bound to ATHLETE_ALLY_EVENTS\nnormalize-2: the same"), "http://apps"),
		one("core-exists", evidence.Failed("no stream", "AA_CORE_HOT", ""), "nats://bus"),
		one("silent", evidence.Unsure("dial tcp 127.0.0.1:4222: connection refused"), ""),
	}
}

func TestTheDoctorSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	found := report.Diagnose(troubles(), answers())
	golden(t, "doctor.txt", found.Text())
	raw, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "doctor.json", string(raw)+"\n")
	if found.Well() || found.Count(report.Present) != 4 || found.Count(report.Uncertain) != 1 || found.Count(report.Absent) != 2 {
		t.Errorf("well: %t, %d present, %d unknown", found.Well(), found.Count(report.Present), found.Count(report.Uncertain))
	}
}

func TestUnknownIsNotWell(t *testing.T) {
	for name, c := range map[string]struct {
		only string
		is   report.Presence
	}{"absent": {"quiet", report.Absent}, "unknown": {"dark", report.Uncertain}, "present": {"no-cause", report.Present}} {
		for _, tr := range troubles() {
			if tr.Name != c.only {
				continue
			}
			found := report.Diagnose([]runbook.Trouble{tr}, answers())
			if found[0].Is != c.is || found.Well() != (c.is == report.Absent) {
				t.Errorf("%s: %s, well: %t", name, found[0].Is, found.Well())
			}
		}
	}
	if report.Diagnose(troubles()[:1], nil).Well() {
		t.Error("what nobody asked is well")
	}
}
