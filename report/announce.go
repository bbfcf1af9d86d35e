package report

import (
	"fmt"
	"time"

	"github.com/segue-run/segue/announce"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// Ahead are the facts of a runbook before there is a run of it.
func Ahead(rb *runbook.Runbook, now time.Time) announce.Facts {
	f := announce.Facts{
		Runbook: rb.Name, Description: rb.Description, Status: "Not Started", Mark: "⏳",
		Now: announce.At(now), Phases: len(rb.Phases),
	}
	f.Next = next(rb, 0)
	return f
}

// Facts are what a template may name of a run, as [Status] finds it.
func Facts(rb *runbook.Runbook, n Now) announce.Facts {
	f := Ahead(rb, n.At)
	f.Run, f.Actor, f.Why = n.Run, n.Actor, n.Why
	f.Started, f.Ended, f.Took = announce.At(n.Started), announce.At(n.Ended), span(n.Elapsed)
	i := n.Phase - 1
	if i >= 0 && i < len(n.Phases) {
		p := n.Phases[i]
		f.Phase = announce.Phase{
			Name: p.Name, Description: rb.Phases[i].Description, Number: n.Phase, Stage: string(p.Stage), Attempt: max(p.Attempt, 1), Took: span(p.Took),
		}
	}
	f.Next = announce.Next{}
	if !n.Status.Final() {
		f.Next = next(rb, i+1)
		if at := n.opens(i); f.Next.Number > 0 && !at.IsZero() {
			f.Next.At, f.Next.In = announce.At(at), span(max(between(n.At, at), 0))
		}
	}
	f.Issues = n.issues()
	for _, w := range n.Waits {
		f.Waits = append(f.Waits, WaitLine(w))
	}
	f.Status, f.Mark = standing(n.Status, len(f.Issues) > 0)
	return f
}

func span(s Span) announce.Span { return announce.Took(time.Duration(s), s.String()) }

// next is the phase at an index, if there is one.
func next(rb *runbook.Runbook, i int) announce.Next {
	if i < 0 || i >= len(rb.Phases) {
		return announce.Next{}
	}
	return announce.Next{Name: rb.Phases[i].Name, Description: rb.Phases[i].Description, Number: i + 1}
}

// opens is when the gate of a phase can open, if its clocks run; zero otherwise.
func (n Now) opens(i int) time.Time {
	if i < 0 || i >= len(n.Phases) || n.Phases[i].Gate == nil || n.Status != engine.Running || n.Holder == "" {
		return time.Time{}
	}
	return n.Phases[i].Gate.Earliest
}

// standing is a run's status in the words of people.
func standing(s engine.Status, trouble bool) (words, mark string) {
	const warn = "⚠️"
	switch s {
	case engine.CompletedStatus:
		return "Complete", "✅"
	case engine.RolledBackStatus:
		return "Rolled Back", warn
	case engine.AbortedStatus:
		return "Aborted", warn
	case engine.RollingBack:
		return "Rolling Back", warn
	case engine.PausedStatus:
		return "Paused", warn
	}
	if trouble {
		return "Issue Detected", warn
	}
	return "In Progress", "🔄"
}

// issues are what is wrong with a run.
func (n Now) issues() announce.Lines {
	var out announce.Lines
	say := func(format string, a ...any) { out = append(out, oneLine(fmt.Sprintf(format, a...))) }
	switch n.Status {
	case engine.PausedStatus:
		say("paused: %s", n.Why)
	case engine.RolledBackStatus, engine.AbortedStatus:
		say("%s: %s", n.Status, n.Why)
	}
	if r := n.Rollback; r != nil && n.Status == engine.RollingBack {
		say("rolling back, %d of %d undone: %s", r.Undone, r.Of, r.Why)
	}
	if r := n.Rollback; r != nil && n.Status != engine.CompletedStatus {
		for _, why := range r.Failed {
			say("the rollback could not undo %s", why)
		}
		if r.Result != "" && r.Result != engine.Verified {
			say("the rollback is %s", r.Result)
		}
	}
	for _, g := range n.Guards {
		switch {
		case g.Tripped:
			say("guard %s fired: %s", g.Name, answered(g.Check, g.Reading))
		case g.Armed && g.Failing > 0:
			say("guard %s: failing for %s of %s: %s", g.Name, g.Failing, g.After, answered(g.Check, g.Reading))
		case g.Armed && g.Dark > 0:
			say("guard %s: unknown for %s: %s", g.Name, g.Dark, answered(g.Check, g.Reading))
		}
	}
	for _, p := range n.Phases {
		for _, s := range p.Steps {
			if s.Stage == engine.Failed {
				say("step %s failed: %s", s.ID, s.Error)
			}
		}
	}
	if !n.Status.Final() && n.Holder == "" {
		say("nobody carries the run out now, and no guard watches: segue run --resume %s", n.Run)
	}
	for _, l := range n.Left {
		say("left behind: %s", l.Text())
	}
	return out
}

func answered(check string, r evidence.Reading) string {
	text := fmt.Sprintf("%s is %s", check, r.Verdict)
	if f := Figures(r); f != "" {
		text += " (" + f + ")"
	}
	return text
}

// old is from when on a live answer is told with its time: what a source has
// kept that long says how things were.
const old = 2 * time.Minute

// Figure is a check's answer in a template: its value, or why there is none.
func Figure(r runner.Checked, now time.Time) announce.Figure {
	f := announce.Figure{Text: oneLine(r.Value), Verdict: r.Verdict.String()}
	switch {
	case r.Verdict == evidence.Unknown:
		f.Text = "unknown (" + why(r.Reading) + ")"
		return f
	case f.Text == "" && r.Detail != "":
		f.Text = fmt.Sprintf("%s (%s)", r.Verdict, oneLine(r.Detail))
	case f.Text == "":
		f.Text = r.Verdict.String()
	}
	if age := now.Sub(r.At); !r.At.IsZero() && age > old {
		f.Text += fmt.Sprintf(" (as of %s UTC, %s ago)", stamp(r.At), Span(age))
	}
	return f
}
