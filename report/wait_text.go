package report

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// waitText is what the run waits for, with what a person types.
func (n Now) waitText() string {
	var b strings.Builder
	if len(n.Next) > 0 {
		b.WriteString("\nabout to\n")
		for _, text := range n.Next {
			b.WriteString("  " + text + "\n")
		}
	}
	last := ""
	for _, w := range n.Waits {
		if head := waitHead(w); head != last {
			b.WriteString("\n" + head + "\n")
			last = head
		}
		b.WriteString("  " + WaitLine(w) + "\n")
		if w.Command != "" {
			b.WriteString("    → " + w.Command + "\n")
		}
	}
	return b.String()
}

// waitHead is what stands above a wait: the run's own work is not a wait for
// anybody else.
func waitHead(w engine.Wait) string {
	if w.For == "effect" || w.For == "time" {
		return "at work"
	}
	return "waits for"
}

// WaitLine says what is waited for, in a line.
func WaitLine(w engine.Wait) string {
	switch w.For {
	case "check":
		text := w.What
		if w.Reading != nil {
			text += " is " + w.Reading.Verdict.String()
		}
		if w.Needs > 0 {
			text += fmt.Sprintf(", held %s of %s", Span(w.Held), Span(w.Needs))
		}
		if words := progressWords(w.Progress); words != "" {
			return text + ", " + words
		}
		if passing := w.Reading != nil && w.Reading.Verdict == evidence.Pass; w.Missing != "" && !(passing && w.Needs > 0) {
			text += ": " + w.Missing
		}
		return text
	case "approval":
		return fmt.Sprintf("the approval of %s by %s", w.What, w.Who)
	case "attestation":
		text := fmt.Sprintf("the attestation %q", w.What)
		if w.Who != "" {
			text += " by " + w.Who
		}
		return text
	case "person":
		return "a person: " + w.What
	}
	return w.What
}
