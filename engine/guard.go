package engine

import (
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// armed reports whether the guard watches in the phase the run is in.
func (s *State) armed(rb *runbook.Runbook, g runbook.Guard) bool {
	if g.From != "" && s.PhaseIndex < rb.Phase(g.From) {
		return false
	}
	return g.Until == "" || s.PhaseIndex <= rb.Phase(g.Until)
}

// guards keeps every armed guard watched, whatever else goes on, and says
// what follows from those that are due.
func (s *State) guards(rb *runbook.Runbook, d *Decision) {
	for _, g := range rb.Guards {
		if !s.armed(rb, g) {
			continue
		}
		d.watch(g.Check, g.Every)
		gs, c := s.guard(g.Name), s.Checks[g.Check]
		if c == nil {
			continue
		}
		// What another process saw, or this one before the run was resumed, need not
		// be how things are.
		failing := gs.Alarm.Due(g.FailsFor) && !gs.Alarm.LastFail.Before(s.since)
		dark := gs.Alarm.Dark(g.UnknownFor) && !gs.Alarm.LastUnknown.Before(s.since)
		switch {
		case gs.Tripped:
			if c.Reading.Recently() == evidence.Pass {
				d.say(GuardQuiet{Guard: g.Name, Reading: c.Reading})
			}
		case s.Status == RollingBack, s.request != nil:
			// What is under way already answers it; it fires afterwards if it
			// still has cause.
		case s.moot(rb, g):
			// A rollback that has nothing to undo in a run that rests already.
		case failing:
			s.trip(g, g.Do, false, d)
		case dark:
			s.trip(g, g.Then, true, d)
		}
	}
}

func (s *State) trip(g runbook.Guard, do runbook.Response, unknown bool, d *Decision) {
	gs := s.guard(g.Name)
	ev := GuardTripped{
		Guard: g.Name, Do: string(do), Severity: g.Severity, Unknown: unknown,
		For: gs.Alarm.Failing(), Reading: s.Checks[g.Check].Reading,
	}
	if unknown {
		ev.For = gs.Alarm.Unknown()
	}
	if do == runbook.Rollback {
		if ev.To = g.To; ev.To == "" {
			ev.To = runbook.ToPhase
		}
	}
	d.say(ev)
	if do == runbook.Pause && s.Status == Running {
		d.say(Paused{Why: guardWhy(ev), By: "guard:" + g.Name, Next: "segue resume, or segue rollback"})
	}
}

func (s *State) moot(rb *runbook.Runbook, g runbook.Guard) bool {
	if s.Status != PausedStatus || g.Do != runbook.Rollback {
		return false
	}
	return len(s.planRollback(rb, Request{Target: g.To}).Undo) == 0
}
