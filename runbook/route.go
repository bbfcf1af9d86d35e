package runbook

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// Notices is what a kind of connection provides that tells people something.
const Notices = "notices"

// The topics of notices.
const (
	TopicRun          = "run"   // begun, taken over, amended, over
	TopicPhase        = "phase" // begun, its requirements hold, done, not verified
	TopicStep         = "step"  // done, failed, skipped, drift
	TopicGate         = "gate"
	TopicGuard        = "guard" // fires, is quiet again
	TopicRollback     = "rollback"
	TopicPause        = "pause"        // and going on
	TopicPeople       = "people"       // what people told the run: approve, attest, ack, what was refused
	TopicEscalation   = "escalation"   // nobody has acknowledged
	TopicAnnouncement = "announcement" // what a person announces: segue announce
)

var topics = []string{TopicRun, TopicPhase, TopicStep, TopicGate, TopicGuard, TopicRollback, TopicPause, TopicPeople, TopicEscalation, TopicAnnouncement}

// A Route is a way on which notices go to people.
type Route struct {
	On       string
	To       []string // addresses; empty where the connection knows by itself
	About    []string // topics; empty: all but announcements
	Severity string   // P1 (worst) to P4; "": all
	Template string   // "": a sentence says what happened
	Every    time.Duration
	Pos      Pos
}

// Tells reports whether the route tells of a topic at a severity.
func (r Route) Tells(topic, severity string) bool {
	if r.Every > 0 || len(r.About) == 0 && topic == TopicAnnouncement || len(r.About) > 0 && !slices.Contains(r.About, topic) {
		return false
	}
	return r.Severity == "" || severity <= r.Severity // P1 is less than P2
}

func (p *parser) readRoutes(n *yaml.Node, rb *Runbook) []Route {
	var out []Route
	for i, c := range p.sequence(n, "notify", "notify") {
		m, ok := p.open(c, routeSection, fmt.Sprintf("notify[%d]", i), nil)
		if !ok {
			continue
		}
		absent := p.absent(m)
		r := p.route(m, rb)
		if absent {
			p.back(m, "route to "+r.On)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (p *parser) route(m *mapping, rb *Runbook) Route {
	r := Route{On: m.text("on"), Severity: m.text("severity"), Template: m.text("template"), Every: m.duration("every"), Pos: m.pos()}
	if m.has("about") {
		r.About = m.list("about")
	}
	if m.has("to") {
		r.To = m.list("to")
	}
	whole := p.tells(m, "on", r.On)
	if _, known := rb.Template(r.Template); m.has("template") && !known && !m.sampled && !p.broken["templates"] {
		names := map[string]bool{}
		for _, t := range rb.Templates {
			names[t.Name] = true
		}
		m.fault("template", "no template is called "+quoteKey(r.Template), p.hints.remedy(r.Template, maps.Keys(names), "declare it under templates"))
	}
	if m.has("every") {
		for _, key := range []string{"about", "severity"} {
			if m.has(key) {
				m.fault(key, "a regular update tells how the run stands, whatever happens: it has no "+key, "remove it, or make another route without every")
			}
		}
		if !m.has("template") {
			m.fault("every", "a regular update has no text", "add `template: …`")
		}
	}
	if whole && !m.sampled {
		r.To = p.addresses(m, rb, r)
	}
	return r
}

// tells checks that a connection tells people something.
func (p *parser) tells(m *mapping, key, conn string) bool {
	if _, known := p.conns[conn]; !known || m.sampled {
		return false
	}
	k, _ := m.section.key(key)
	return p.provides(m, k.Field, conn)
}

// addresses are those of a route, contacts looked up.
func (p *parser) addresses(m *mapping, rb *Runbook, r Route) []string {
	conn, ok := rb.Connection(r.On)
	if !ok {
		return nil
	}
	var out []string
	good := true
	for i, to := range r.To {
		n, path := m.entry("to", i), fmt.Sprintf("%s[%d]", m.at("to"), i)
		c, ok := rb.Contact(to)
		if !ok {
			p.stays(n, path, "contact", to)
			good = p.genuine(n, path, "to", to) && good
			out = append(out, to)
			continue
		}
		address := c.Address(conn.Kind)
		if address == "" {
			p.fault(n, path, fmt.Sprintf("the contact %s has no address for %s (%s)", to, r.On, conn.Kind.Name), p.addressRemedy(conn.Kind))
			good = false
		}
		out = append(out, address)
	}
	if good && conn.Kind.Reaches != nil {
		p.validated(m, conn.Kind.Reaches(conn.Params, out))
	}
	return out
}

func (p *parser) addressRemedy(k Kind) string {
	if k.Address == "" {
		return "leave it out: a " + k.Name + " knows whom it tells"
	}
	return "give it " + k.Address + ": …"
}
