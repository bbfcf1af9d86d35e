package runbook

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// An Escalation says who is told, one after the other, while nobody
// acknowledges that something is wrong.
type Escalation struct {
	Severity string // what is at least this severe must be acknowledged
	Path     []Rung
	Again    time.Duration // the last rung, until somebody acknowledges
	Pos      Pos
}

// A Rung is one of those who are told.
type Rung struct {
	After   time.Duration // since something went wrong
	Contact string
	Via     []string // connections
	Pos     Pos
}

// Rung is the one that a number means, from 0; past the path it is its last.
func (e *Escalation) Rung(n int) Rung { return e.Path[min(n, len(e.Path)-1)] }

func (p *parser) readEscalation(n *yaml.Node, rb *Runbook) *Escalation {
	m, ok := p.open(n, escalationSection, "escalation", nil)
	if !ok {
		return nil
	}
	absent := p.absent(m)
	e := &Escalation{Severity: m.text("severity"), Again: m.duration("again"), Pos: m.pos()}
	if n := m.vals["path"]; n != nil {
		e.Path = p.readRungs(n, m.at("path"), rb)
	}
	if last := len(e.Path) - 1; e.Again == 0 && last >= 0 {
		e.Again = e.Path[last].After
		if last > 0 {
			e.Again -= e.Path[last-1].After
		}
		e.Again = max(e.Again, time.Minute)
	}
	switch {
	case absent:
		p.back(m, "escalation")
		return nil
	case len(e.Path) == 0:
		if m.has("path") && !p.broken["escalation"] {
			m.fault("path", "the path has no rung", "write `- {after: 5m, contact: …, via: […]}`, or remove the escalation")
		}
		return nil
	}
	return e
}

func (p *parser) readRungs(n *yaml.Node, at string, rb *Runbook) []Rung {
	var out []Rung
	for i, c := range p.sequence(n, at, "path") {
		m, ok := p.open(c, rungSection, fmt.Sprintf("%s[%d]", at, i), nil)
		if !ok {
			p.broken["escalation"] = true
			continue
		}
		absent := p.absent(m)
		r := Rung{After: m.duration("after"), Contact: m.text("contact"), Pos: m.pos()}
		if m.has("via") {
			r.Via = m.list("via")
		}
		p.rung(m, r, rb)
		if absent {
			p.back(m, "rung "+r.Contact)
			continue
		}
		if n := len(out); n > 0 && r.After <= out[n-1].After && !m.sampled && m.has("after") {
			m.fault("after", fmt.Sprintf("it is not later than the rung before it (%s)", FormatDuration(out[n-1].After)), "write the rungs in the order of their times, which count from when something went wrong")
		}
		out = append(out, r)
	}
	return out
}

// rung checks that its contact can be reached by its connections.
func (p *parser) rung(m *mapping, r Rung, rb *Runbook) {
	contact, known := rb.Contact(r.Contact)
	if m.has("contact") && !m.sampled {
		p.stays(m.vals["contact"], m.at("contact"), "contact", r.Contact)
		if _, gone := p.gone["contact "+r.Contact]; !known && !gone && !p.broken["contacts"] {
			names := map[string]bool{}
			for _, c := range rb.Contacts {
				names[c.Role] = true
			}
			m.fault("contact", "no contact is called "+quoteKey(r.Contact), p.hints.remedy(r.Contact, maps.Keys(names), "declare it under contacts"))
		}
	}
	for i, name := range r.Via {
		n, path := m.entry("via", i), fmt.Sprintf("%s[%d]", m.at("via"), i)
		conn, ok := rb.Connection(name)
		switch {
		case !ok:
		case !slices.Contains(conn.Kind.Provides, Notices):
			p.fault(n, path, fmt.Sprintf("the connection %s is %s, which tells nobody anything", name, conn.Kind.Name), "name one of kind slack, smtp, pagerduty or webhook")
		case known && !m.sampled && conn.Kind.Reaches != nil:
			if _, err := rb.Reach(conn, contact); err != nil {
				p.fault(n, path, err.Error(), p.addressRemedy(conn.Kind))
			}
		}
	}
}

// Reach is the address under which a connection tells a contact; "" when the
// connection knows by itself whom it tells.
func (r *Runbook) Reach(conn Conn, c Contact) (string, error) {
	if conn.Kind.Reaches == nil || conn.Kind.Reaches(conn.Params, nil) == nil {
		return "", nil
	}
	address := c.Address(conn.Kind)
	if address == "" {
		return "", fmt.Errorf("the contact %s has no address for %s (%s)", c.Role, conn.Name, conn.Kind.Name)
	}
	if err := conn.Kind.Reaches(conn.Params, []string{address}); err != nil {
		return "", fmt.Errorf("the contact %s cannot be told by %s: %w", c.Role, conn.Name, err)
	}
	return address, nil
}
