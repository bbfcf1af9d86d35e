package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/runbook"
)

// A Notice is what became of telling somebody of something.
type Notice struct {
	What   string    `json:"what"`
	To     string    `json:"to"`
	Result string    `json:"result"` // delivered, waiting, given up
	Tries  int       `json:"tries"`
	At     time.Time `json:"at"`            // of the last try
	Next   time.Time `json:"next,omitzero"` // try, while it waits
	Error  string    `json:"error,omitempty"`
}

const (
	told    = "delivered"
	waiting = "waiting"
	givenUp = "given up"
)

// Notices are deliveries in words.
func Notices(deliveries []journal.Delivery) []Notice {
	out := make([]Notice, 0, len(deliveries))
	for _, d := range deliveries {
		n := Notice{What: d.What, To: d.To, Result: givenUp, Tries: d.Tries, At: d.At, Next: d.Next, Error: d.Error}
		switch {
		case d.Delivered:
			n.Result = told
		case !d.Next.IsZero():
			n.Result = waiting
		}
		out = append(out, n)
	}
	return out
}

// noticeText is how telling people goes: how many were told, and who was not.
func noticeText(notices []Notice) string {
	if len(notices) == 0 {
		return ""
	}
	count := map[string]int{}
	var t table
	for _, n := range notices {
		if count[n.Result]++; n.Result != told {
			t.row(n.To, n.Result, tries(n.Tries), oneLine(n.What), oneLine(n.Error))
		}
	}
	text := fmt.Sprintf("%d delivered", count[told])
	for _, result := range []string{waiting, givenUp} {
		if count[result] > 0 {
			text += fmt.Sprintf(", %d %s", count[result], result)
		}
	}
	return "\nnotices\n  " + text + "\n" + t.text("  ")
}

func tries(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// notices shows who was told, and when.
func (p *page) notices(r *Report) {
	if len(r.Notices) == 0 {
		return
	}
	p.section("Who was told")
	t := table{{"at", "to", "what", "result"}}
	for _, n := range r.Notices {
		result := n.Result
		if n.Tries > 1 {
			result += " after " + tries(n.Tries)
		}
		if n.Error != "" {
			result += ": " + oneLine(n.Error)
		}
		t.row(stamp(n.At), n.To, n.What, result)
	}
	p.table(t)
}

// alertText is what must be acknowledged, or was.
func alertText(a *engine.Alert) string {
	if a == nil {
		return ""
	}
	if a.By == "" {
		return fmt.Sprintf("nobody has acknowledged since %s UTC (%s), %d told: %s\n  → segue ack\n", stamp(a.Since), a.Severity, a.Rungs, a.Why)
	}
	text := fmt.Sprintf("%s has acknowledged at %s UTC: %s", a.By, stamp(a.At), a.Why)
	if a.Note != "" {
		text += " (" + a.Note + ")"
	}
	return text + "\n"
}

// Contacts are whom to call, in a table.
func Contacts(contacts []runbook.Contact) string {
	if len(contacts) == 0 {
		return ""
	}
	var t table
	for _, c := range contacts {
		var ways []string
		for _, way := range []string{c.Phone, c.Email, c.Slack, c.URL} {
			if way != "" {
				ways = append(ways, way)
			}
		}
		t.row(c.Role, c.Name, strings.Join(ways, ", "), c.Note)
	}
	return "\ncontacts\n" + t.text("  ")
}
