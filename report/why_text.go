package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
)

// Text is the reasons for people.
func (r Reasons) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  run %s\n%s: %s\n", r.Name, r.Run, r.Status, r.Why)
	if len(r.Chain) > 0 {
		b.WriteString("\nhow it came to that (UTC)\n")
		var t table
		for _, m := range r.Chain {
			t.row(instant(m.At), m.Text)
		}
		b.WriteString(t.text("  "))
	}
	for _, w := range r.Waits {
		b.WriteString("\n" + waitHead(w.Wait) + ": " + w.head() + "\n" + w.facts().text("  "))
	}
	if len(r.Next) > 0 {
		b.WriteString("\nabout to\n  " + strings.Join(r.Next, "\n  ") + "\n")
	}
	if len(r.Left) > 0 {
		b.WriteString("\nleft behind\n" + leftText(r.Left))
	}
	if !r.Status.Final() && r.Holder == "" {
		fmt.Fprintf(&b, "\nnobody carries it out now: segue run --resume %s\n", r.Run)
	}
	return b.String()
}

func (r Reason) head() string {
	switch r.For {
	case "check":
		if r.Needs > 0 {
			return fmt.Sprintf("check %s to hold for %s", r.What, Span(r.Needs))
		}
		return fmt.Sprintf("check %s to pass", r.What)
	}
	return WaitLine(r.Wait)
}

func (r Reason) facts() table {
	var t table
	fact := func(name, value string) {
		if value != "" {
			t.row(name, value)
		}
	}
	if r.For == "check" {
		r.checkFacts(fact)
	}
	if r.For != "check" {
		fact("missing", r.Missing)
	}
	for _, text := range r.Refused {
		fact("refused", text)
	}
	fact("type", r.Command)
	return t
}

func (r Reason) checkFacts(fact func(name, value string)) {
	rd := evidence.Reading{}
	if r.Reading != nil {
		rd = *r.Reading
		verdict := rd.Verdict.String()
		if !r.Since.IsZero() {
			verdict += " since " + clock(r.Since) + " UTC"
		}
		fact("verdict", verdict)
		fact("read", r.NeedsAgo.String()+" ago")
	} else {
		fact("verdict", "not read yet")
	}
	fact("value", rd.Value)
	fact("bound", rd.Bound)
	if r.Progress != nil {
		progressFacts(*r.Progress, fact)
	} else if rd.Samples > 0 {
		fact("samples", fmt.Sprint(rd.Samples))
	}
	fact("because", rd.Detail)
	fact("asked", rd.Source)
	fact("query", rd.Query)
	fact("kind", r.Kind)
	if r.Needs > 0 {
		fact("held", fmt.Sprintf("%s of %s", Span(r.Held), Span(r.Needs)))
	}
	fact("missing", r.Missing)
	if rd.Verdict != evidence.Pass {
		fact("needs", r.Clears)
	}
	if !r.Earliest.IsZero() {
		fact("earliest", r.Earliest.UTC().Format(time.DateTime)+" UTC")
	}
}
