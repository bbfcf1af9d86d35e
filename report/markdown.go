package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// JSON is the report for machines.
func JSON(r *Report) ([]byte, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the report of run %s: %w", r.Run, err)
	}
	return append(out, '\n'), nil
}

// Markdown is the report for an auditor. It says nothing that the journal does
// not; all times are UTC.
func Markdown(r *Report) string {
	p := &page{}
	p.head(r)
	p.phases(r)
	p.gates(r)
	p.rollbacks(r)
	p.people(r)
	p.notices(r)
	p.trouble(r)
	p.checks(r)
	p.changes(r)
	p.told(r)
	p.timeline(r)
	p.runbook(r)
	return p.b.String()
}

// A page is Markdown in the making.
type page struct{ b strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) section(title string) { p.say("\n## %s\n", title) }

func (p *page) table(t table) { p.b.WriteString(t.markdown()) }

// code is text that is shown as it is, on one line.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", "'", "\n", " ").Replace(text) + "`"
}

func (p *page) head(r *Report) {
	p.say("# %s: %s\n", r.Name, r.Status)
	if r.Why != "" {
		p.say("%s.\n", escape(sentenceCase(strings.TrimSuffix(r.Why, "."))))
	}
	t := table{{"", ""}}
	t.row("run", code(r.Run))
	t.row("started", fmt.Sprintf("%s by %s", stamp(r.Started), r.Actor))
	if r.Ended.IsZero() {
		t.row("last event", fmt.Sprintf("%s, %s after the start; the run is not over", stamp(r.Last), r.Took))
	} else {
		t.row("ended", fmt.Sprintf("%s, after %s", stamp(r.Ended), r.Took))
	}
	if len(r.Runbooks) > 0 {
		t.row("runbook", fmt.Sprintf("%s, sha256 %s", r.Runbooks[0].File, code(r.Runbooks[0].Digest)))
	}
	t.row("segue", r.Segue)
	t.row("journal", fmt.Sprintf("%d events, %s", r.Events, findings(r.Findings)))
	t.row("left behind", fmt.Sprint(len(r.Left)))
	p.table(t)
	for _, f := range r.Findings {
		p.say("- **event %d, %s**: %s", f.Seq, stamp(f.At), escape(f.Problem))
	}
	if len(r.Left) > 0 {
		p.section("What is left behind")
		t := table{{"since", "what", "cost", "how it goes away"}}
		for _, l := range r.Left {
			what := l.What
			if l.Step != "" {
				what = l.Step + ": " + what
			}
			t.row(stamp(l.At), what, l.Cost, code(l.Hint))
		}
		p.table(t)
	}
}

func sentenceCase(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func findings(list []Finding) string {
	switch len(list) {
	case 0:
		return "each of which follows from those before it"
	case 1:
		return "1 of which does not follow from those before it"
	}
	return fmt.Sprintf("with %d findings: not all of them follow from those before", len(list))
}

func (p *page) phases(r *Report) {
	p.section("Phases and steps")
	t := table{{"phase", "attempt", "started", "ended", "took", "outcome"}}
	for _, ph := range r.Phases {
		if len(ph.Attempts) == 0 {
			t.row(ph.Name, "", "–", "–", "", "not begun")
		}
		for _, a := range ph.Attempts {
			end, outcome := a.Ended, a.Outcome
			if end.IsZero() {
				end = r.Last
			}
			if outcome == "" {
				outcome = string(ph.Stage)
			}
			t.row(ph.Name, fmt.Sprint(a.Attempt), stamp(a.Started), stamp(a.Ended), between(a.Started, end).String(), outcome)
		}
	}
	p.table(t)
	p.say("")
	t = table{{"step", "kind", "attempt", "epoch", "started", "took", "outcome"}}
	for _, s := range r.Steps {
		if len(s.Attempts) == 0 {
			t.row(s.ID, s.Kind, "", "", "–", "", s.Outcome)
		}
		for i, a := range s.Attempts {
			outcome := a.Outcome
			if i == len(s.Attempts)-1 && s.Outcome != outcome {
				outcome = strings.Trim(outcome+"; now "+s.Outcome, "; ")
			}
			if a.Error != "" {
				outcome += ": " + a.Error
			}
			if a.Remedy != "" && !strings.Contains(a.Error, a.Remedy) {
				outcome += "; instead: " + a.Remedy
			}
			t.row(s.ID, s.Kind, fmt.Sprint(a.Attempt), fmt.Sprint(a.Epoch), stamp(a.Started), a.Took.String(), outcome)
		}
	}
	p.table(t)
	for _, ph := range r.Phases {
		for _, a := range ph.Attempts {
			p.evidence(fmt.Sprintf("Phase %s was let start%s at %s on", ph.Name, nth(a.Attempt), stamp(a.Ready)), a.Readings)
			if len(a.Given) > 0 {
				p.say("")
			}
			for _, g := range a.Given {
				p.say("- phase %s%s: %s", ph.Name, nth(a.Attempt), escape(gave(g)))
			}
			p.evidence(fmt.Sprintf("Phase %s was verified%s by", ph.Name, nth(a.Attempt)), a.Verified)
		}
	}
	for _, s := range r.Steps {
		for _, a := range s.Attempts {
			p.evidence(fmt.Sprintf("Step %s was verified%s by", s.ID, nth(a.Attempt)), a.Verified)
		}
	}
}

// evidence is a table of readings under a line that says what they were for.
func (p *page) evidence(title string, readings map[string]evidence.Reading) {
	if len(readings) == 0 {
		return
	}
	p.say("\n%s:\n", title)
	t := table{{"check", "read at", "verdict", "value", "bound", "samples", "source", "detail"}}
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		t.row(readingRow(name, readings[name])...)
	}
	p.table(t)
}

func readingRow(name string, r evidence.Reading) []string {
	if r.At.IsZero() {
		return []string{name, stamp(r.At), "", "", "", "", "", ""}
	}
	samples := ""
	if r.Samples > 0 {
		samples = fmt.Sprint(r.Samples)
	}
	return []string{name, stamp(r.At), r.Verdict.String(), r.Value, r.Bound, samples, r.Source, r.Detail}
}

func (p *page) changes(r *Report) {
	p.section("What the steps changed")
	t := table{{"step", "attempt", "resource", "field", "before", "want"}}
	for _, s := range r.Steps {
		for _, a := range s.Attempts {
			for _, c := range a.Diff {
				t.row(s.ID, fmt.Sprint(a.Attempt), c.Resource, c.Field, value(c.From), value(c.To))
			}
		}
	}
	if len(t) == 1 {
		p.say("Nothing.")
		return
	}
	p.table(t)
}

// value is a field's value as people read it; a sealed one is not shown.
func value(raw json.RawMessage) string {
	text := state.Change{To: raw}.String()
	_, text, _ = strings.Cut(text, " → ")
	return text
}
