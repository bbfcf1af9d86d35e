package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// How a rollback ends.
const (
	Verified   = "verified"
	Unverified = "unverified" // no way to see
	RolledFail = "failed"
)

const undoTries = 3

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
	var lost []string
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
		if st.Lost {
			lost = append(lost, id)
			continue
		}
		ev.Undo = append(ev.Undo, id)
	}
	ev.Undo = append(ev.Undo, lost...) // an effect that may still be going comes last
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

func (s *State) foldRollback(rb *runbook.Runbook, ev Event, at time.Time) {
	r := s.Rollback
	if _, begins := ev.(RollbackStarted); !begins && r == nil {
		return // a journal that speaks of a rollback before it began
	}
	switch ev := ev.(type) {
	case RollbackStarted:
		s.request, s.Pause, s.Drift, s.adrift, s.compare = nil, nil, nil, nil, false
		s.Status = RollingBack
		s.Rollback = &Rollback{
			RollbackStarted: ev, At: at,
			Done: map[string]UndoDone{}, Failed: map[string]string{}, Seen: map[string]Witnessed{}, Final: state.Face{},
		}
		for _, id := range ev.First {
			s.Steps[id] = &Step{Stage: Pending, First: true, Attempt: s.step(id).Attempt}
		}
		for _, id := range ev.Undo {
			st := s.ownStep(id)
			st.Tries, st.NextTry, st.Kept = 0, time.Time{}, nil
		}
		s.freeze()
	case UndoIntent:
		st := s.ownStep(ev.Step)
		st.Stage, st.Since, st.Tries, st.Uncertain, st.Error = Undoing, at, ev.Attempt, false, ""
	case UndoDone:
		st := s.ownStep(ev.Step)
		st.Stage, st.Since, st.Kept = Undone, at, ev.Kept
		st.Cursor = nil
		s.Left = s.Left.With(ev.Left)
		r.Done[ev.Step] = ev
		r.Final = r.Final.With(st.Before)
		delete(r.Failed, ev.Step)
		if len(ev.Differ) > 0 {
			r.Failed[ev.Step] = "not as before: " + list(ev.Differ)
		}
	case UndoFailed:
		st := s.ownStep(ev.Step)
		st.Error, st.NextTry = ev.Error, at.Add(time.Duration(st.Tries)*time.Second)
		if ev.Final {
			r.Failed[ev.Step] = ev.Error
		}
	case UndoHeld:
		r.Failed[ev.Step] = "held back: " + ev.Because
	case Witnessed:
		r.Seen[ev.Step] = ev
	case RollbackEnded:
		s.endRollback(rb, ev, at)
	}
}

func (s *State) endRollback(rb *runbook.Runbook, ev RollbackEnded, at time.Time) {
	r := s.Rollback
	r.Ended, r.EndedAt = &ev, at
	s.observed = map[string]Observed{}
	s.verify = map[string]time.Time{}
	if ev.Result == RolledFail {
		// Every step keeps what its undo works from: a retry undoes all again.
		s.Status = PausedStatus
		s.Pause = &Pause{Why: "the rollback failed: " + strings.Join(ev.Why, "; "), By: "rollback", Next: "segue retry (tries again), or segue abort", Since: at}
		return
	}
	for _, st := range s.Steps {
		if st.Stage == Undone && !st.First {
			*st = Step{Stage: Undone, Attempt: st.Attempt, Since: st.Since, Kept: st.Kept}
		}
	}
	s.Order = slices.DeleteFunc(s.Order, func(id string) bool {
		st := s.Steps[id]
		return st.Stage == Undone || st.First
	})
	for i := r.Index; i < len(rb.Phases); i++ {
		if p := s.Phases[rb.Phases[i].Name]; p != nil && p.Stage != Pending {
			*p = Phase{Stage: Undone, Attempt: p.Attempt, Since: at}
		}
		for _, step := range rb.Phases[i].Steps {
			if st := s.Steps[step.ID]; st != nil && (st.Stage == Skipped || st.Stage == Failed) {
				*st = Step{Stage: Pending, Attempt: st.Attempt}
			}
		}
	}
	s.PhaseIndex = r.Index
	s.Given = slices.DeleteFunc(s.Given, func(g Given) bool {
		// Approvals were given for an attempt; attestations are facts.
		return g.Kind == SignalApprove && (rb.Phase(g.Of) >= r.Index || phaseOf(rb, g.Of) >= r.Index)
	})
	s.Status = PausedStatus
	s.Pause = &Pause{Why: fmt.Sprintf("rolled back to the start of phase %s (%s)", r.Phase, ev.Result), By: "rollback", Next: "segue resume begins a new attempt", Since: at}
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
	if !s.undoing(d, now) {
		s.witness(rb, d, now)
	}
}

// undoing takes the undos one after the other. It returns false when all have
// an end.
func (s *State) undoing(d *Decision, now time.Time) bool {
	r := s.Rollback
	for _, id := range r.Undo {
		if _, done := r.Done[id]; done {
			continue
		}
		if _, failed := r.Failed[id]; failed {
			continue
		}
		st := s.step(id)
		if because := s.restsOn(id); because != "" {
			d.say(UndoHeld{Step: id, Because: because})
			return true
		}
		switch {
		case st.Stage == Applying && !st.Uncertain:
			// Its effect is no longer wanted: whoever runs it cancels it and
			// tells its outcome, or that it does not end.
			d.wait(Wait{For: "effect", What: "step " + id + " is being cancelled"})
		case st.Stage != Undoing:
			d.say(UndoIntent{Step: id, Attempt: 1})
		case st.Error != "" && now.Before(st.NextTry):
			d.wakeAt(st.NextTry)
			d.wait(Wait{For: "time", What: "trying the undo of " + id + " again: " + st.Error, Earliest: st.NextTry})
		case st.Error != "":
			d.say(UndoIntent{Step: id, Attempt: st.Tries + 1})
		default:
			d.run(Effect{Do: DoUndo, Step: id, Attempt: st.Tries})
			d.wait(Wait{For: "effect", What: "step " + id + " is being undone"})
		}
		return true
	}
	return false
}

// restsOn is why an undo must not be tried: a step that was done after it, and
// touches the same resources, could not be undone.
func (s *State) restsOn(id string) string {
	r := s.Rollback
	for _, other := range r.Undo {
		if other == id {
			break
		}
		if _, failed := r.Failed[other]; failed && touch(s.step(id), s.step(other)) {
			return fmt.Sprintf("step %s, which came after it, could not be undone", other)
		}
	}
	return ""
}

func touch(a, b *Step) bool {
	for x := range a.Before {
		for y := range b.Before {
			if x == y || strings.HasPrefix(x, y+"/") || strings.HasPrefix(y, x+"/") {
				return true
			}
		}
	}
	return false
}

// LastTry reports whether no further try follows this attempt of an undo.
func LastTry(attempt int) bool { return attempt >= undoTries }

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
		s.end(s.verdict(nil, nil, true), d)
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
		s.end(s.verdict(v, readings, all), d)
	}
}

// end says how the rollback ended. A run that is all the way back is over.
func (s *State) end(ev RollbackEnded, d *Decision) {
	d.say(ev)
	if s.Rollback.Start && s.Rollback.Floor == "" && ev.Result != RolledFail {
		d.say(RolledBack{Result: ev.Result})
	}
}

// verify is what the runbook says of how to verify this rollback.
func (r *Rollback) verify(rb *runbook.Runbook) *runbook.Verify {
	if t, ok := rb.Target(r.Target); ok && t.Verify != nil {
		return t.Verify
	}
	return rb.Phases[r.Index].Rollback
}

// verdict ends the rollback: failed if anything is not as it was, unverified
// if nothing but the acting eyes say so, else verified.
func (s *State) verdict(v *runbook.Verify, readings map[string]evidence.Reading, all bool) RollbackEnded {
	r := s.Rollback
	end := RollbackEnded{Result: Verified, Readings: readings}
	eyes := v != nil && all && len(v.Checks) > 0
	for _, id := range r.Undo {
		if why, failed := r.Failed[id]; failed {
			end.Result = RolledFail
			end.Why = append(end.Why, id+": "+why)
			end.Left = append(end.Left, id+" is not undone")
		}
		if st := s.step(id); st.Kept != nil {
			end.Left = append(end.Left, fmt.Sprintf("%s: kept %s: %s", id, st.Kept.What, st.Kept.Cost))
		}
		if s.step(id).Lost {
			end.Result = worse(end.Result, Unverified)
			end.Why = append(end.Why, id+" is undone, but its effect ignored its cancellation and may still change the world")
		}
		seen := r.Seen[id]
		if seen.Error != "" {
			end.Result = RolledFail
			end.Why = append(end.Why, id+": "+seen.Error)
		}
		eyes = eyes || seen.Able && seen.Error == ""
		if diff := s.notRestored(seen.Face); len(diff) > 0 {
			end.Result = RolledFail
			end.Why = append(end.Why, id+" is not as before: "+list(diff))
		}
	}
	for _, id := range r.First {
		if st := s.step(id); st.Stage == Failed {
			end.Why = append(end.Why, fmt.Sprintf("first step %s failed: %s", id, st.Error))
			end.Result = worse(end.Result, Unverified)
		}
	}
	if r.Floor != "" {
		end.Left = append(end.Left, fmt.Sprintf("%s is a point of no return: what came before it stays", r.Floor))
	}
	if v != nil && !all {
		end.Result = worse(end.Result, Unverified)
		for _, name := range v.Checks {
			if rd, ok := readings[name]; ok && rd.Verdict == evidence.Fail {
				end.Result = RolledFail
			}
		}
		end.Why = append(end.Why, describeAll(readings, v.Checks))
	}
	if end.Result == Verified && !eyes && s.changedAny(r.Undo) {
		end.Result = Unverified
		end.Why = append(end.Why, "nothing but the configuration says so: give the phase or target a rollback verification")
	}
	return end
}

// worse is the worse of two results; failed is the worst.
func worse(a, b string) string {
	for _, result := range []string{RolledFail, Unverified} {
		if a == result || b == result {
			return result
		}
	}
	return Verified
}

func (s *State) changedAny(ids []string) bool {
	for _, id := range ids {
		if st := s.step(id); !st.Before.Equal(st.Want) {
			return true
		}
	}
	return false
}

// notRestored lists the fields in face that are not as all the undone steps
// together should have left them, less what was kept on purpose.
func (s *State) notRestored(face state.Face) []state.Change {
	var out []state.Change
	for _, c := range state.Drift(s.Rollback.Final, face) {
		if !s.keptField(c) {
			out = append(out, c)
		}
	}
	return out
}

func (s *State) keptField(c state.Change) bool {
	for _, id := range s.Rollback.Undo {
		k := s.step(id).Kept
		if k == nil {
			continue
		}
		if f := k.Fields[c.Resource]; slices.Contains(f, "*") || slices.Contains(f, c.Field) {
			return true
		}
	}
	return false
}
