package runbook

import "go.yaml.in/yaml/v4"

// A Contact is somebody to call. Its name in the runbook is a role.
type Contact struct {
	Role  string
	Name  string
	Phone string
	Email string
	Slack string // a member ID or a channel
	URL   string
	Note  string
	Pos   Pos
}

// Contact returns who has a role.
func (r *Runbook) Contact(role string) (Contact, bool) {
	for _, c := range r.Contacts {
		if c.Role == role {
			return c, true
		}
	}
	return Contact{}, false
}

// Address is what of a contact a kind of connection needs.
func (c Contact) Address(kind Kind) string {
	switch kind.Address {
	case "email":
		return c.Email
	case "slack":
		return c.Slack
	}
	return ""
}

// people reads the sections that say who is told what.
func (p *parser) people(rb *Runbook, m *mapping) {
	if n := m.vals["contacts"]; n != nil {
		rb.Contacts = p.readContacts(n)
	}
	if n := m.vals["notify"]; n != nil {
		rb.Notify = p.readRoutes(n, rb)
	}
	if n := m.vals["escalation"]; n != nil {
		rb.Escalation = p.readEscalation(n, rb)
	}
	if n := m.vals["dashboards"]; n != nil {
		rb.Dashboards = p.readDashboards(n)
	}
}

func (p *parser) readContacts(n *yaml.Node) []Contact {
	m, ok := p.mapping(n, "contacts", "contacts")
	if !ok {
		p.broken["contacts"] = true
		return nil
	}
	var out []Contact
	for _, role := range m.order {
		path := join("contacts", role)
		p.name(m.keys[role], path, role, "a contact")
		c, ok := p.open(m.vals[role], contactSection, path, nil)
		if !ok {
			p.broken["contacts"] = true
			continue
		}
		absent := p.absent(c)
		p.goes("contact", role)
		contact := Contact{
			Role: role, Name: c.real("name"), Phone: c.real("phone"), Email: c.real("email"), Slack: c.real("slack"), URL: c.real("url"), Note: c.text("note"), Pos: p.pos(m.keys[role]),
		}
		if contact.Phone+contact.Email+contact.Slack+contact.URL == "" && !c.sampled && !c.has("phone") && !c.has("email") && !c.has("slack") && !c.has("url") {
			p.fault(m.keys[role], path, "nobody can reach the contact "+role, "give a phone, an email, a slack or a url")
		}
		if absent {
			p.back(c, "contact "+role)
			continue
		}
		out = append(out, contact)
	}
	return out
}
