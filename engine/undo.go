package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

const undoTries = 3

func (s *State) foldRollback(rb *runbook.Runbook, ev Event, at time.Time) {
	r := s.Rollback
	if _, begins := ev.(RollbackStarted); !begins && r == nil {
		return // a journal that speaks of a rollback before it began
	}
	switch ev := ev.(type) {
	case RollbackStarted:
		s.request, s.Pause, s.Drift, s.adrift, s.compare, s.alike, s.unseen = nil, nil, nil, nil, false, false, ""
		s.Status = RollingBack
		ev.Index = min(max(ev.Index, 0), len(rb.Phases)-1)
		ev.First, ev.Undo = slices.Clone(ev.First), slices.Clone(ev.Undo)
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
		s.Left = ev.Kept.without(s.Left.With(ev.Left))
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
	case UndoMerged:
		st := s.ownStep(ev.Step)
		st.Stage, st.Since, st.Kept, st.Cursor = Undone, at, nil, nil
		r.Done[ev.Step] = UndoDone{Step: ev.Step}
		r.Final = r.Final.With(st.Before)
	case Witnessed:
		r.Seen[ev.Step] = ev
	case RollbackEnded:
		s.endRollback(rb, ev, at)
	}
}

// without takes out of a face what was kept: people are asked to clear that
// away, and doing so is no drift.
func (k *Kept) without(face state.Face) state.Face {
	if k == nil {
		return face
	}
	for id, fields := range k.Fields {
		for _, name := range fields {
			if delete(face[id], name); name == "*" {
				delete(face, id)
			}
		}
	}
	return face
}

func (s *State) endRollback(rb *runbook.Runbook, ev RollbackEnded, at time.Time) {
	r := s.Rollback
	r.Ended, r.EndedAt = &ev, at
	for _, g := range s.Guards {
		if !g.Tripped {
			*g = Guard{} // what it has seen is put back
		}
	}
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

// undoing takes the undos one after the other. It returns false when all have
// an end.
func (s *State) undoing(rb *runbook.Runbook, d *Decision, now time.Time) bool {
	r := s.Rollback
	for _, id := range s.inTurn(rb) {
		if _, done := r.Done[id]; done {
			continue
		}
		if _, failed := r.Failed[id]; failed {
			continue
		}
		st := s.step(id)
		if because := s.restsOn(rb, id); because != "" {
			d.say(UndoHeld{Step: id, Because: because})
			return true
		}
		if into := s.mergesInto(rb, id); into != "" {
			d.say(UndoMerged{Step: id, Into: into})
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

// inTurn is the order in which undos are tried. Background work has ended with
// the beginning of the rollback, whatever becomes of its undo, so no other undo
// rests on that: one that fails, as a system does not answer, is tried again after
// all the others, and holds up nothing that restores service.
func (s *State) inTurn(rb *runbook.Runbook) []string {
	var first, last []string
	for _, id := range s.Rollback.Undo {
		if background(rb, id) && s.step(id).Stage == Undoing && s.step(id).Error != "" {
			last = append(last, id)
		} else {
			first = append(first, id)
		}
	}
	return append(first, last...)
}

func background(rb *runbook.Runbook, id string) bool {
	def, ok := rb.Step(id)
	return ok && def.Kind.Background
}

// restsOn is why an undo must not be tried: a step that was done after it, and
// touches the same resources, could not be undone.
func (s *State) restsOn(rb *runbook.Runbook, id string) string {
	r := s.Rollback
	for _, other := range r.Undo {
		if other == id {
			break
		}
		if _, failed := r.Failed[other]; failed && !background(rb, other) && touch(s.step(id), s.step(other)) {
			return fmt.Sprintf("step %s, which came after it, could not be undone", other)
		}
	}
	return ""
}

// mergesInto is the earliest of the steps to be undone that did the same to the
// same resources, where a first step has taken these to where they are to be;
// "" where there is none. Undone one by one, traffic that is back on the old side
// would pass through every share that it ever had.
func (s *State) mergesInto(rb *runbook.Runbook, id string) (into string) {
	r, st := s.Rollback, s.step(id)
	if st.Stage != Done || st.Lost || !slices.ContainsFunc(r.First, func(first string) bool {
		return s.step(first).Stage == Done && s.alikeSteps(rb, first, id)
	}) {
		return ""
	}
	for _, older := range r.Undo[slices.Index(r.Undo, id)+1:] {
		if s.alikeSteps(rb, older, id) {
			into = older
		}
	}
	return into
}

// alikeSteps reports whether two steps do the same kind of thing to the same
// fields of the same resources.
func (s *State) alikeSteps(rb *runbook.Runbook, a, b string) bool {
	one, ok := rb.Step(a)
	other, there := rb.Step(b)
	if !ok || !there || one.Kind.Name != other.Kind.Name {
		return false
	}
	return sameFields(s.step(a).Want, s.step(b).Want)
}

func sameFields(a, b state.Face) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for id, fields := range a {
		if len(fields) != len(b[id]) {
			return false
		}
		for name := range fields {
			if _, there := b[id][name]; !there {
				return false
			}
		}
	}
	return true
}

// lostLast puts the steps whose effects may still be going at the end of an
// order of undoing, and with them, after them, those that came before and
// touch the same: what was done first must be undone last.
func (s *State) lostLast(undo []string) []string {
	var first, last []string
	for _, id := range undo {
		rests := func(other string) bool { return touch(s.step(id), s.step(other)) }
		if s.step(id).Lost || slices.ContainsFunc(last, rests) {
			last = append(last, id)
		} else {
			first = append(first, id)
		}
	}
	return append(first, last...)
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
