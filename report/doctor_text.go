package report

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runner"
)

// Text is what the doctor found, for people: what is wrong first, each with
// what shows it and what to do next.
func (ts Troubles) Text() string {
	var b strings.Builder
	var absent table
	for _, d := range ts.urgent() {
		if d.Is == Absent {
			absent.row("absent", d.Name, oneLine(d.Symptom))
			continue
		}
		b.WriteString(d.text() + "\n")
	}
	return b.String() + absent.text("")
}

func (d Diagnosis) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-7s  %s\n  %s\n", strings.ToUpper(string(d.Is)), d.Name, oneLine(d.Symptom))
	var seen table
	for _, r := range d.Seen {
		if d.Is == Uncertain || r.Verdict == evidence.Fail {
			seen.answer(r)
		}
	}
	b.WriteString(seen.text("    "))
	for _, f := range d.Findings {
		b.WriteString("\n" + d.found(f))
	}
	if len(d.Findings) == 0 && d.Is == Present && len(d.Unasked) == 0 {
		b.WriteString("\n  The runbook knows of no cause: none of its checks fails.\n")
	}
	for _, f := range d.Unasked {
		fmt.Fprintf(&b, "\n  ? %s\n    %s could not be asked: %s\n    → if it is so: %s\n", oneLine(f.Finding), f.Check.Check, why(f.Check.Reading), oneLine(f.Next))
	}
	return b.String()
}

func (d Diagnosis) found(f Diagnosed) string {
	var evidence table
	switch {
	case f.Check != nil:
		evidence.answer(*f.Check)
	case len(d.Unasked) > 0:
		evidence.row("unless it is what could not be asked, below")
	default:
		evidence.row("no cause's check fails")
	}
	return fmt.Sprintf("  ✗ %s\n%s    → %s\n", oneLine(f.Finding), evidence.text("    "), oneLine(f.Next))
}

// answer adds a check's answer: what it saw, what was asked of it, where, when.
func (t *table) answer(r runner.Checked) {
	t.row(r.Check, r.Verdict.String(), oneLine(Figures(r.Reading)))
	from := "at " + clock(r.At) + " UTC"
	if r.Source != "" {
		from = r.Source + ", " + from
	}
	t.row("", "", from)
}

// why is the reason that a reading gives, if it gives one.
func why(r evidence.Reading) string {
	if r.Detail == "" {
		return "it gave no reason"
	}
	return oneLine(r.Detail)
}
