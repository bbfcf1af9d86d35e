package runbook

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// A Dashboard is one of Grafana.
type Dashboard struct {
	UID         string
	Title       string
	Description string
	Tags        []string
	Range       time.Duration
	Refresh     time.Duration
	Panels      []Panel
	Pos         Pos
}

// A Panel is a part of a dashboard. It shows either queries or SQL.
type Panel struct {
	Title       string
	Description string
	As          string // graph, number, gauge, table, bars
	Queries     []PanelQuery
	SQL         string
	Unit        string
	Warn, Alarm *float64
	Width       int // of 24
	Height      int
	Pos         Pos
}

// A PanelQuery is PromQL.
type PanelQuery struct {
	Query, Legend string
	Pos           Pos
}

func (p *parser) readDashboards(n *yaml.Node) []Dashboard {
	m, ok := p.mapping(n, "dashboards", "dashboards")
	if !ok {
		return nil
	}
	const longest = 40 // of a uid in Grafana
	var out []Dashboard
	for _, uid := range m.order {
		path := join("dashboards", uid)
		if p.name(m.keys[uid], path, uid, "a dashboard") && len(uid) > longest {
			p.fault(m.keys[uid], path, fmt.Sprintf("the uid has %d characters", len(uid)), fmt.Sprintf("Grafana takes %d at most", longest))
		}
		e, ok := p.open(m.vals[uid], dashboardSection, path, nil)
		if !ok {
			continue
		}
		absent := p.absent(e)
		d := Dashboard{
			UID: uid, Title: e.said("title"), Description: e.text("description"),
			Range: e.duration("range"), Refresh: e.duration("refresh"), Pos: p.pos(m.keys[uid]),
		}
		if e.has("tags") {
			d.Tags = e.list("tags")
		}
		if n := e.vals["panels"]; n != nil {
			d.Panels = p.readPanels(n, e.at("panels"))
		}
		if absent {
			p.back(e, "dashboard "+uid)
			continue
		}
		out = append(out, d)
	}
	return out
}

func (p *parser) readPanels(n *yaml.Node, at string) []Panel {
	var out []Panel
	if d := deref(n); d.Kind == yaml.SequenceNode && len(d.Content) == 0 {
		p.fault(n, at, "the dashboard has no panel", "list at least one")
	}
	for i, c := range p.sequence(n, at, "panels") {
		m, ok := p.open(c, panelSection, fmt.Sprintf("%s[%d]", at, i), nil)
		if !ok {
			continue
		}
		absent := p.absent(m)
		panel := p.panel(m)
		if absent {
			p.back(m, "panel "+panel.Title)
			continue
		}
		out = append(out, panel)
	}
	return out
}

func (p *parser) panel(m *mapping) Panel {
	panel := Panel{
		Title: m.said("title"), Description: m.text("description"), As: m.text("as"), SQL: m.said("sql"), Unit: m.text("unit"),
		Width: m.whole("width", 1, 24), Height: m.whole("height", 1, 40), Pos: m.pos(),
	}
	for _, b := range []struct {
		key string
		to  **float64
	}{{"warn", &panel.Warn}, {"alarm", &panel.Alarm}} {
		if v, ok := m.value(b.key); ok {
			f := v.(float64)
			*b.to = &f
		}
	}
	n := 0
	for _, key := range []string{"query", "queries", "sql"} {
		if m.has(key) {
			n++
		}
	}
	if n != 1 {
		m.fault("title", fmt.Sprintf("the panel has %d of query, queries and sql", n), "give it one of them")
	}
	if m.has("legend") && !m.has("query") {
		m.fault("legend", "legend names the series of query, and there is none", "write it beside each of queries")
	}
	if m.has("query") {
		panel.Queries = []PanelQuery{{m.said("query"), m.text("legend"), p.pos(m.vals["query"])}}
	}
	if n := m.vals["queries"]; n != nil {
		for i, c := range p.sequence(n, m.at("queries"), "queries") {
			if q, ok := p.open(c, panelQuerySection, fmt.Sprintf("%s[%d]", m.at("queries"), i), nil); ok {
				panel.Queries = append(panel.Queries, PanelQuery{q.said("query"), q.text("legend"), q.pos()})
			}
		}
	}
	return panel
}

// whole is a whole number within bounds.
func (m *mapping) whole(key string, least, most int64) int {
	k, _ := m.section.key(key)
	if !m.has(key) {
		n, _ := parseInt(k.Default)
		return int(n)
	}
	v, ok := m.value(key)
	if !ok {
		return 0
	}
	n := v.(int64)
	if (n < least || n > most) && !m.sampled {
		m.fault(key, fmt.Sprintf("%s is %d", key, n), fmt.Sprintf("write one from %d to %d", least, most))
	}
	return int(n)
}
