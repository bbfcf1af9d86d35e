package runbook

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

func (p *parser) verify(n *yaml.Node, path string) *Verify {
	m, ok := p.open(n, verifySection, path, nil)
	if !ok {
		return nil
	}
	checks, emptied := m.checks("checks")
	v := &Verify{Checks: checks, Within: m.duration("within"), Every: m.duration("every"), Pos: m.pos()}
	if !m.sampled && v.Within > 0 && v.Every > v.Within {
		if m.has("every") {
			m.fault("every", fmt.Sprintf("every (%s) is longer than within (%s)", FormatDuration(v.Every), FormatDuration(v.Within)), "ask more often, or wait longer")
		} else {
			v.Every = v.Within
		}
	}
	if emptied {
		return nil // all its checks are left out: it asks nothing
	}
	return v
}

func (p *parser) gate(n *yaml.Node, path string) *Gate {
	m, ok := p.open(n, gateSection, path, nil)
	if !ok {
		return nil
	}
	hold, emptied := m.checks("hold")
	if emptied && len(p.away) == 0 {
		m.fault("hold", "every check of the gate is left out: it would open without any evidence", "list a check that is there for these inputs, or leave the gate's phase out with `when`")
	}
	g := &Gate{
		Hold: hold, For: m.duration("for"), Every: m.duration("every"),
		MaxGap: m.duration("max-gap"), Deadline: m.duration("deadline"), Then: Response(m.text("then")), Pos: m.pos(),
	}
	if g.Every == 0 {
		g.Every = min(15*time.Second, max(time.Second, g.For/20))
		if g.For > 0 {
			g.Every = min(g.Every, g.For)
		}
	}
	if g.MaxGap == 0 {
		g.MaxGap = 4 * g.Every
	}
	if m.sampled {
		return g
	}
	if g.For > 0 && g.Every > g.For {
		m.fault("every", fmt.Sprintf("every (%s) is longer than for (%s)", FormatDuration(g.Every), FormatDuration(g.For)), "ask more often, or hold longer")
	}
	if m.has("max-gap") && g.MaxGap < g.Every {
		m.fault("max-gap", fmt.Sprintf("max-gap (%s) is shorter than every (%s)", FormatDuration(g.MaxGap), FormatDuration(g.Every)),
			"write at least 2 × every: "+FormatDuration(2*g.Every))
	}
	if m.has("max-gap") && g.MaxGap >= g.Every && g.MaxGap < 2*g.Every {
		p.note(g.Pos, m.path, fmt.Sprintf("max-gap (%s) is less than 2 × every (%s): one answer that is late starts the time anew", FormatDuration(g.MaxGap), FormatDuration(g.Every)),
			"write at least "+FormatDuration(2*g.Every))
	}
	if g.Deadline > 0 && g.Deadline < g.For {
		m.fault("deadline", fmt.Sprintf("deadline (%s) is shorter than for (%s): the gate can never open", FormatDuration(g.Deadline), FormatDuration(g.For)),
			"write a longer deadline")
	}
	if m.has("then") && !m.has("deadline") {
		m.fault("then", "then says what follows a deadline, and there is none", "add `deadline: …`, or remove then")
	}
	return g
}
