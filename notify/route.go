package notify

import (
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// A letter is a notice to one receiver.
type letter struct {
	driver.Notice
	key      string // of the delivery
	on       runbook.Conn
	to       string // "" where the connection knows by itself
	template string
}

// receiver is whom a letter goes to, for people.
func (l letter) receiver() string {
	if l.to == "" {
		return l.on.Name
	}
	return l.on.Name + " " + l.to
}

// letters are those of a notice. A receiver gets it once: the first route that
// tells of it gives the text.
func letters(rb *runbook.Runbook, n notice) []letter {
	var out []letter
	add := func(conn, to, template string, about driver.Notice) {
		c, ok := rb.Connection(conn)
		if !ok || wrongFor(c.Kind, n) {
			return
		}
		l := letter{Notice: about, on: c, to: to, template: template}
		l.key = strings.TrimPrefix(about.Key, about.Run+"/") + " " + l.receiver()
		if !slices.ContainsFunc(out, func(o letter) bool { return o.key == l.key }) {
			out = append(out, l)
		}
	}
	for _, l := range rungLetters(rb, n) {
		add(l.on.Name, l.to, "", l.Notice)
	}
	for _, r := range rb.Notify {
		if !r.Tells(n.Topic, n.route) {
			continue
		}
		for _, to := range receivers(r) {
			add(r.On, to, r.Template, n.Notice)
		}
	}
	return out
}

func receivers(r runbook.Route) []string {
	if len(r.To) == 0 {
		return []string{""}
	}
	return r.To
}

// wrongFor reports whether a notice says nothing to a kind of connection: pagers
// want incidents, and only they want to hear of each turn.
func wrongFor(k runbook.Kind, n notice) bool {
	if slices.Contains(k.Provides, "incidents") {
		return n.Turn == ""
	}
	return n.pagers
}

// rungLetters are those to whom an escalation turns, which no route need name.
func rungLetters(rb *runbook.Runbook, n notice) []letter {
	if n.rung == nil || rb.Escalation == nil {
		return nil
	}
	rung := rb.Escalation.Rung(n.rung.Rung)
	contact, ok := rb.Contact(rung.Contact)
	if !ok {
		return nil
	}
	about := n.Notice
	about.Contact = &driver.Contact{Role: contact.Role, Name: contact.Name, Phone: contact.Phone, Email: contact.Email, Slack: contact.Slack}
	var out []letter
	for _, name := range rung.Via {
		conn, ok := rb.Connection(name)
		if !ok {
			continue
		}
		if to, err := rb.Reach(conn, contact); err == nil {
			out = append(out, letter{Notice: about, on: conn, to: to})
		}
	}
	return out
}
