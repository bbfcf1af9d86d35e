package report

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/engine"
)

// Mark is a sign for a stage; a word always stands beside it.
func Mark(stage engine.Stage) string {
	switch stage {
	case engine.Done:
		return "✓"
	case engine.Failed:
		return "✗"
	case engine.Undone, engine.Undoing:
		return "↩"
	case engine.Skipped:
		return "–"
	case engine.Pending:
		return "○"
	}
	return "●"
}

// Text is the status for people.
func (n Now) Text() string {
	var b strings.Builder
	b.WriteString(n.head())
	b.WriteString("\n")
	b.WriteString(n.table().text(""))
	if g := n.gateText(); g != "" {
		b.WriteString("\n" + g)
	}
	b.WriteString(n.costText())
	if len(n.Checks) > 0 {
		b.WriteString("\nchecks\n" + n.checkTable().text("  "))
	}
	if len(n.Guards) > 0 {
		b.WriteString("\nguards\n" + n.guardTable().text("  "))
	}
	if len(n.Left) > 0 {
		b.WriteString("\nleft behind\n" + leftText(n.Left))
	}
	b.WriteString(noticeText(n.Notices))
	b.WriteString(n.waitText())
	b.WriteString(Contacts(n.Contacts))
	return b.String()
}

func (n Now) head() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  run %s\n", n.Name, n.Run)
	if n.Status.Final() {
		fmt.Fprintf(&b, "%s after %s, from %s to %s UTC, started by %s\n", n.Status, n.Elapsed, stamp(n.Started), stamp(n.Ended), n.Actor)
	} else {
		fmt.Fprintf(&b, "%s, phase %d of %d, %s since %s UTC, started by %s\n", n.Status, n.Phase, len(n.Phases), n.Elapsed, stamp(n.Started), n.Actor)
	}
	if n.Why != "" {
		b.WriteString(n.Why + "\n")
	}
	if r := n.Rollback; r != nil {
		to := "the start of phase " + r.Phase
		if r.Start {
			to = "the start"
		}
		fmt.Fprintf(&b, "rollback to %s: %d of %d undone in %s", to, r.Undone, r.Of, r.Took)
		if r.Result != "" {
			b.WriteString(", " + r.Result)
		}
		b.WriteString("\n")
		for _, why := range append(r.Failed, r.Because...) {
			b.WriteString("  " + why + "\n")
		}
	}
	b.WriteString(alertText(n.Alert))
	switch {
	case n.Status.Final():
	case n.Holder != "":
		fmt.Fprintf(&b, "carried out by %s\n", holderName(n.Holder))
	default:
		fmt.Fprintf(&b, "nobody carries it out now: segue run --resume %s\n", n.Run)
	}
	return b.String()
}

// holderName leaves the marks out that only tell one process from another.
func holderName(holder string) string {
	name, _, _ := strings.Cut(holder, " (")
	return name
}

// table is the phases and their steps.
func (n Now) table() table {
	var t table
	for _, p := range n.Phases {
		t.row(Mark(p.Stage)+" "+p.Name, string(p.Stage)+nth(p.Attempt), took(p.Took), "")
		for _, s := range p.Steps {
			t.row("  "+Mark(s.Stage)+" "+shortID(s.ID), s.Words+nth(s.Attempt), took(s.Took), s.Kind)
			if s.Far != "" {
				t.row("      " + s.Far)
			}
			if s.Error != "" {
				t.row("      " + s.Error)
			}
		}
	}
	for _, s := range n.First {
		t.row(Mark(s.Stage)+" "+s.ID, s.Words, took(s.Took), s.Kind)
	}
	return t
}

// shortID is a step's ID without its phase, beneath which it stands.
func shortID(id string) string {
	if _, short, ok := strings.Cut(id, "/"); ok {
		return short
	}
	return id
}

func took(s Span) string {
	if s == 0 {
		return ""
	}
	return s.String()
}

func (n Now) gateText() string {
	for _, p := range n.Phases {
		if g := p.Gate; g != nil {
			text := fmt.Sprintf("gate of phase %s: held %s of %s", p.Name, g.Held, g.For)
			switch {
			case g.Frozen:
				text += ", its clocks stand still"
			case g.Earliest.IsZero():
				text += ", does not open with the evidence as it comes"
			case g.Held < g.For:
				text += fmt.Sprintf(", opens at %s UTC at the earliest", clock(g.Earliest))
			}
			if g.Deadline > 0 {
				text += fmt.Sprintf("; %s of its deadline %s spent", g.Spent, g.Deadline)
			}
			var t table
			for _, c := range g.Clocks {
				t.row(c.Check, "held "+c.Held.String(), "of "+c.Needs.String(), c.Lacks)
			}
			return text + "\n" + t.text("  ")
		}
	}
	return ""
}

func (n Now) checkTable() table {
	var t table
	for _, c := range n.Checks {
		age := "not watched now"
		if c.Watched {
			age = ""
		}
		if !c.Reading.At.IsZero() {
			age = strings.TrimPrefix(age+", "+c.Age.String()+" ago", ", ")
		}
		t.row(c.Name, c.Reading.Verdict.String(), age, Figures(c.Reading))
	}
	return t
}

func (n Now) guardTable() table {
	var t table
	for _, g := range n.Guards {
		t.row(g.Name, g.Words(), g.Does())
	}
	return t
}

// Words says how a guard stands.
func (g NowGuard) Words() string {
	switch {
	case g.Tripped:
		return "fired"
	case !g.Armed:
		return "not armed"
	case g.Failing > 0:
		return fmt.Sprintf("failing for %s of %s", g.Failing, g.After)
	case g.Dark > 0:
		return fmt.Sprintf("unknown for %s", g.Dark)
	case g.Reading.At.IsZero():
		return "not read yet"
	}
	return "quiet"
}

// Does says what the guard does when it fires.
func (g NowGuard) Does() string {
	text := g.Do
	if g.To != "" {
		text += " to " + g.To
	}
	if g.After > 0 {
		text += fmt.Sprintf(" when %s fails for %s", g.Check, g.After)
	} else {
		text += fmt.Sprintf(" when %s fails", g.Check)
	}
	return text
}

func leftText(left []Left) string {
	var b strings.Builder
	for _, l := range left {
		b.WriteString("  " + l.Text() + "\n")
	}
	return b.String()
}

// Text is what is left, in a line.
func (l Left) Text() string {
	text := l.What
	if l.Step != "" {
		text = l.Step + ": " + text
	}
	if l.Cost != "" {
		text += ": " + l.Cost
	}
	if l.Hint != "" {
		text += " (" + l.Hint + ")"
	}
	return text
}
