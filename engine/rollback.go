package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
)

// How a rollback ends.
const (
	Verified   = "verified"
	Unverified = "unverified" // no way to see
	RolledFail = "failed"
)

// resolveTarget is the index of the phase whose start the target means.
func resolveTarget(rb *runbook.Runbook, s *State, target string) (index int, start bool, err error) {
	switch target {
	case runbook.ToPhase:
		return min(s.PhaseIndex, len(rb.Phases)-1), false, nil
	case runbook.ToStart:
		return 0, true, nil
	}
	if t, ok := rb.Target(target); ok {
		return resolveTarget(rb, s, t.To)
	}
	if i := rb.Phase(target); i >= 0 {
		if i > s.PhaseIndex {
			return 0, false, fmt.Errorf("phase %s has not started: there is nothing to roll back to", target)
		}
		return i, false, nil
	}
	return 0, false, fmt.Errorf("no rollback target is called %q", target)
}

// startRollback answers the request for a rollback. One that nobody asked for
// in person, and that has nothing to do, becomes a pause.
func (s *State) startRollback(rb *runbook.Runbook, req Request, d *Decision) {
	ev := s.planRollback(rb, req)
	if len(ev.Undo) == 0 && len(ev.First) == 0 && strings.Contains(req.By, ":") {
		d.say(Paused{Why: req.Why + "; there is nothing to undo", By: req.By, Next: "segue resume, or segue rollback"})
		return
	}
	d.say(ev)
}

func (s *State) planRollback(rb *runbook.Runbook, req Request) RollbackStarted {
	index, start, err := resolveTarget(rb, s, req.Target)
	if err != nil {
		index = 0 // a target that cannot be resolved is no reason to stay
	}
	ev := RollbackStarted{Target: req.Target, Index: index, Start: start, Phase: rb.Phases[index].Name, Why: req.Why, By: req.By}
	if t, ok := rb.Target(req.Target); ok {
		for _, step := range t.First {
			ev.First = append(ev.First, step.ID)
		}
	}
	floor := slices.Index(s.Order, s.Floor)
	for i := len(s.Order) - 1; i >= 0; i-- {
		id := s.Order[i]
		st := s.Steps[id]
		if st.First || phaseOf(rb, id) < index || !st.Intended {
			continue
		}
		if s.Floor != "" && i <= floor {
			ev.Floor = s.Floor
			continue
		}
		ev.Undo = append(ev.Undo, id)
	}
	ev.Undo = s.lostLast(ev.Undo)
	return ev
}

func phaseOf(rb *runbook.Runbook, step string) int {
	for i, p := range rb.Phases {
		for _, def := range p.Steps {
			if def.ID == step {
				return i
			}
		}
	}
	return -1
}

// rollback carries a rollback on: what restores service first, then the
// undoing, then the look with other eyes.
func (s *State) rollback(rb *runbook.Runbook, d *Decision, now time.Time) {
	for _, id := range s.Rollback.First {
		def, _ := rb.Step(id)
		if st := s.step(id); st.Settled() || st.Stage == Failed {
			continue
		}
		s.advance(rb, def, d)
		return
	}
	if !s.undoing(rb, d, now) {
		s.witness(rb, d, now)
	}
}

// witness looks with other eyes than those that acted, and ends the rollback.
func (s *State) witness(rb *runbook.Runbook, d *Decision, now time.Time) {
	r := s.Rollback
	for _, id := range r.Undo {
		_, done := r.Done[id]
		if _, seen := r.Seen[id]; done && !seen {
			d.run(Effect{Do: DoWitness, Step: id, Attempt: s.step(id).Attempt})
			d.wait(Wait{For: "effect", What: "looking whether the undo of " + id + " took hold"})
		}
	}
	if len(d.Waits) > 0 {
		return
	}
	v := r.verify(rb)
	if v == nil {
		s.end(rb, s.verdict(nil, nil, true), d)
		return
	}
	of := "rollback"
	since, begun := s.verify[of]
	if !begun || since.IsZero() {
		d.say(VerifyStarted{Of: of})
		return
	}
	readings, all := s.look(v.Checks, v.Every, since, d, "verifies the rollback")
	until := since.Add(v.Within)
	d.wakeAt(until)
	if all || !now.Before(until) {
		s.end(rb, s.verdict(v, readings, all), d)
	}
}

// verify is what the runbook says of how to verify this rollback.
func (r *Rollback) verify(rb *runbook.Runbook) *runbook.Verify {
	if t, ok := rb.Target(r.Target); ok && t.Verify != nil {
		return t.Verify
	}
	return rb.Phases[r.Index].Rollback
}
