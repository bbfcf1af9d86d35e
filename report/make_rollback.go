package report

import (
	"time"

	"github.com/segue-run/segue/engine"
)

func (m *maker) takeRollback(ev engine.Event, at time.Time) {
	if begin, ok := ev.(engine.RollbackStarted); ok {
		m.startRollback(begin, at)
		return
	}
	r := m.rollback
	if r == nil {
		return // a journal that speaks of a rollback before it began
	}
	switch ev := ev.(type) {
	case engine.UndoIntent:
		u := m.undo(ev.Step)
		if u.Started.IsZero() {
			u.Started = at
		}
		u.Tries, u.Outcome = u.Tries+1, ""
	case engine.UndoDone:
		u := m.undo(ev.Step)
		u.end(at, "undone")
		u.Drift, u.Differ, u.Kept, u.Told = ev.Drift, ev.Differ, ev.Kept, ev.Told
		if len(ev.Differ) > 0 {
			u.Outcome = "not as before"
		}
		r.Actuated = at
		if m.step(ev.Step).Kept = ev.Kept; ev.Kept != nil {
			m.kept[ev.Step] = Left{at, ev.Step, ev.Kept.What, ev.Kept.Cost, ev.Kept.Hint}
		}
	case engine.UndoFailed:
		u := m.undo(ev.Step)
		u.end(at, "failed")
		u.Error, r.Actuated = ev.Error, at
	case engine.UndoHeld:
		u := m.undo(ev.Step)
		u.Outcome, u.Error = "held back", ev.Because
	case engine.UndoMerged:
		u := m.undo(ev.Step)
		u.Started = at
		u.end(at, "undone with "+ev.Into)
	case engine.Witnessed:
		u := m.undo(ev.Step)
		u.Witnessed, u.OtherEyes, u.Sight = at, ev.Able && ev.Error == "", ev.Error
	case engine.RollbackEnded:
		m.endRollback(ev, at)
	}
}

func (u *Undo) end(at time.Time, outcome string) {
	u.Ended, u.Outcome, u.Error = at, outcome, ""
	u.Took = between(u.Started, at)
}

func (m *maker) undo(step string) *Undo {
	u := m.undos[step]
	if u == nil {
		u = &Undo{Step: step}
		m.undos[step] = u
		m.rollback.Undos = append(m.rollback.Undos, u)
	}
	return u
}

func (m *maker) startRollback(ev engine.RollbackStarted, at time.Time) {
	m.endPause(at, "a rollback")
	m.undos = map[string]*Undo{}
	m.rollback = &Rollback{
		At: at, Target: ev.Target, Phase: ev.Phase, Start: ev.Start, Why: ev.Why, By: ev.By,
		Floor: ev.Floor, First: ev.First, Result: "under way", Undos: []*Undo{},
	}
	m.r.Rollbacks = append(m.r.Rollbacks, m.rollback)
	for _, id := range ev.Undo {
		m.undo(id).Outcome = "not begun"
		if a := m.try(id); a.Outcome == "" {
			a.Outcome = "cut short by the rollback"
		}
	}
	for _, p := range m.r.Phases {
		if g := m.gates[p.Name]; g != nil {
			if g.Ended.IsZero() {
				g.end(at, "left for a rollback")
			}
			delete(m.gates, p.Name)
		}
	}
}

func (m *maker) endRollback(ev engine.RollbackEnded, at time.Time) {
	r := m.rollback
	r.Ended, r.Result, r.Because, r.Left, r.Readings = at, ev.Result, ev.Why, ev.Left, ev.Readings
	from := r.At
	if !r.Actuated.IsZero() {
		from = r.Actuated
		r.Actuation = between(r.At, r.Actuated)
	}
	r.Verification = between(from, at)
	if ev.Result == engine.RolledFail {
		return
	}
	index := m.h.Runbook.Phase(r.Phase)
	for i, p := range m.h.Runbook.Phases {
		if i < index {
			continue
		}
		switch a := m.attempt(p.Name); a.Outcome {
		case "":
			a.Ended, a.Outcome = at, "rolled back"
		case "done":
			a.Outcome = "done, then rolled back"
		}
	}
}
