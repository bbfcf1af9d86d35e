package notify

import (
	"fmt"
	"strings"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// maxTitle is how many characters a title may have.
const maxTitle = 300

// oneLine makes a text one line of so many characters.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// more is what else people want to know of an event: where it stands, and what
// they can do.
func more(e runner.Entry) string {
	var out []string
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	switch ev := e.Event.(type) {
	case engine.Created:
		if d := e.Runbook.Description; d != "" {
			say("%s", d)
		}
	case engine.PhaseStarted:
		if i := e.Runbook.Phase(ev.Phase); i >= 0 {
			p := e.Runbook.Phases[i]
			say("phase %d of %d", i+1, len(e.Runbook.Phases))
			if p.Description != "" {
				say("%s", p.Description)
			}
			asks(p, say)
		}
	case engine.Paused:
		if ev.Next != "" {
			say("next: %s", ev.Next)
		}
	case engine.Escalated:
		for _, line := range unheard(e.Runbook, ev) {
			say("%s", line)
		}
	case engine.Aborted:
		for _, left := range ev.Left {
			say("left as it is: %s", left)
		}
	case engine.RollbackEnded:
		for _, left := range ev.Left {
			say("left behind: %s", left)
		}
	}
	return strings.Join(out, "\n")
}

// asks says whom a phase waits for.
func asks(p runbook.Phase, say func(string, ...any)) {
	for _, r := range p.Require {
		if r.Attest != "" {
			say("waits for the attestation %q%s", r.Attest, as(r.Role))
		}
	}
	if p.Approve != nil {
		say("waits for approval%s: segue approve %s", as(strings.Join(p.Approve.Roles, ", ")), p.Name)
	}
}

func as(role string) string {
	if role == "" {
		return ""
	}
	return " by " + role
}

// unheard says what nobody has acknowledged, who is told, and who comes next.
func unheard(rb *runbook.Runbook, ev engine.Escalated) []string {
	out := []string{ev.Why}
	e := rb.Escalation
	if e == nil {
		return out
	}
	if c, ok := rb.Contact(ev.Contact); ok {
		out = append(out, "told now: "+person(c))
	}
	if next := ev.Rung + 1; next < len(e.Path) {
		if c, ok := rb.Contact(e.Path[next].Contact); ok {
			out = append(out, fmt.Sprintf("told in %s: %s", runbook.FormatDuration(e.Path[next].After-ev.After), person(c)))
		}
	} else {
		out = append(out, fmt.Sprintf("told again every %s", runbook.FormatDuration(e.Again)))
	}
	return append(out, "until somebody acknowledges: segue ack")
}

func person(c runbook.Contact) string {
	return strings.TrimSpace(fmt.Sprintf("%s (%s) %s", c.Name, c.Role, c.Phone))
}
