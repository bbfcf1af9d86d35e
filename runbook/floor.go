package runbook

import "fmt"

// guardFloor looks at a guard that rolls back and at the points of no return
// that may lie between it and its target.
func (p *parser) guardFloor(m *mapping, g Guard, rb *Runbook) {
	if g.Do != Rollback && g.Then != Rollback || m.sampled || p.guessed {
		return
	}
	from, until := 0, len(rb.Phases)-1
	if i := rb.Phase(g.From); i >= 0 {
		from = i
	}
	if i := rb.Phase(g.Until); i >= 0 {
		until = i
	}
	place := g.To
	if t, ok := rb.Target(place); ok {
		place = t.To
	}
	to := -1 // the phase whose start is rolled back to
	switch i := rb.Phase(place); {
	case place == ToStart:
		to = 0
	case i >= 0:
		to = i
	}
	if to > from {
		p.note(g.Pos, m.path, fmt.Sprintf("the guard %s may fire before %s has begun, and then has nothing to roll back", g.Name, rb.Phases[to].Name),
			"add `from: "+rb.Phases[to].Name+"`")
	}
	for i, ph := range rb.Phases {
		for j, s := range ph.Steps {
			if !s.NoReturn || i > until {
				continue
			}
			switch {
			case to >= 0 && to <= i && i < from:
				m.fault("to", fmt.Sprintf("the guard can never roll back to %s: the point of no return %s lies between", g.To, s.ID),
					"roll back to a later place, or arm the guard earlier")
				return
			case to >= 0 && to <= i && (to < i || j > 0 || until > i):
				p.note(g.Pos, m.path, fmt.Sprintf("once %s is done, the guard %s rolls back no further than that", s.ID, g.Name),
					"make sure that this is meant, or end the guard earlier with until")
				return
			}
		}
	}
}
