package engine

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// steps takes the phase's steps one after the other, then its verification.
func (s *State) steps(rb *runbook.Runbook, p runbook.Phase, ph *Phase, d *Decision, now time.Time) {
	if s.survey(d) {
		return
	}
	for _, def := range p.Steps {
		st := s.step(def.ID)
		if st.Stage == Skipped {
			continue
		}
		if st.Stage != Done {
			s.advance(rb, def, d)
			s.respond(rb, def, p, st, d)
			return
		}
		if def.Verify != nil && !st.Verified {
			if _, failed := s.verifying(def.ID, def.Verify, d, now); failed {
				ev := d.Append[len(d.Append)-1].(VerifyFailed)
				s.fail(rb, d, onFailure(def, p), fmt.Sprintf("step %s is done, but does not verify: %s", def.ID, describeAll(ev.Readings, def.Verify.Checks)), "step:"+def.ID)
			}
			return
		}
	}
	if p.Verify != nil && !ph.Verified {
		if _, failed := s.verifying(p.Name, p.Verify, d, now); failed {
			ev := d.Append[len(d.Append)-1].(VerifyFailed)
			s.fail(rb, d, p.OnFailure, fmt.Sprintf("phase %s does not verify: %s", p.Name, describeAll(ev.Readings, p.Verify.Checks)), "phase:"+p.Name)
		}
		return
	}
	if p.Gate == nil {
		d.say(PhaseDone{Phase: p.Name})
		return
	}
	d.say(GateOpened{Phase: p.Name})
}

func onFailure(def runbook.Step, p runbook.Phase) runbook.Response {
	if def.OnFailure != "" {
		return def.OnFailure
	}
	return p.OnFailure
}

// respond does what the runbook says of a step that has failed.
func (s *State) respond(rb *runbook.Runbook, def runbook.Step, p runbook.Phase, st *Step, d *Decision) {
	if st.Stage == Failed && len(d.Append) == 0 {
		s.fail(rb, d, onFailure(def, p), fmt.Sprintf("step %s failed: %s", def.ID, st.Error), "step:"+def.ID)
	}
}

func (s *State) fail(rb *runbook.Runbook, d *Decision, response runbook.Response, why, by string) {
	if response == runbook.Rollback {
		s.startRollback(rb, Request{Target: runbook.ToPhase, Why: why, By: by}, d)
		return
	}
	d.say(Paused{Why: why, By: by, Next: "segue retry, segue skip, or segue rollback"})
}

// survey compares what the steps that are done see of the world with what they
// left: when a phase begins, at the end, after a crash, after a person's mend
// and when a late effect was reported. It returns true while there is no
// answer, or a bad one.
func (s *State) survey(d *Decision) bool {
	if len(s.adrift) > 0 {
		d.say(DriftFound{Changes: s.adrift},
			Paused{Why: "drift: the world is not as the run left it: " + list(s.adrift), By: "drift", Next: "segue retry (after mending it), segue retry --accept-drift, or segue rollback"})
		return true
	}
	if s.unseen != "" {
		d.say(Paused{Why: "the world cannot be compared with what the run left: " + s.unseen, By: "survey", Next: "segue retry"})
		return true
	}
	if !s.compare {
		return false
	}
	if s.alike {
		d.say(Compared{Steps: s.changed()})
		return true
	}
	d.run(Effect{Do: DoSurvey, ID: s.surveyKey(), Steps: s.changed()})
	d.wait(Wait{For: "effect", What: "comparing the world with what the run left"})
	return true
}

func (s *State) surveyKey() string {
	return fmt.Sprintf("%d/%d/%d/%d", s.Epoch, s.PhaseIndex, len(s.Order), s.late)
}

// changed lists the steps that are done and have changed the world.
func (s *State) changed() []string {
	var done []string
	for _, id := range s.Order {
		if s.Steps[id].Stage == Done && s.Steps[id].Changed {
			done = append(done, id)
		}
	}
	return done
}

// lookAgain asks for a survey, if there is anything to compare.
func (s *State) lookAgain() {
	s.compare, s.alike, s.adrift, s.unseen = len(s.changed()) > 0, false, nil, ""
}

// NoteSurvey takes a survey's answer into the state.
func (s *State) NoteSurvey(n Surveyed) {
	if n.Key != s.surveyKey() {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(n.Unseen)) {
		s.unseen = "step " + id + ": " + n.Unseen[id]
		return
	}
	s.adrift = nil
	for _, id := range s.Order {
		for _, c := range state.Drift(s.Left, n.Faces[id]) {
			if !s.underWay(c) && !slices.ContainsFunc(s.adrift, func(o state.Change) bool { return o.Resource == c.Resource && o.Field == c.Field }) {
				s.adrift = append(s.adrift, c)
			}
		}
	}
	s.alike = len(s.adrift) == 0
}

// underWay reports whether a step that was begun and has no outcome owns the
// changed field: what it is now is for that step to say.
func (s *State) underWay(c state.Change) bool {
	for _, id := range s.Order {
		st := s.Steps[id]
		if _, owns := st.Want[c.Resource][c.Field]; owns && st.Intended && !st.Settled() {
			return true
		}
	}
	return false
}

// advance takes one step forward.
func (s *State) advance(rb *runbook.Runbook, def runbook.Step, d *Decision) {
	st := s.step(def.ID)
	switch st.Stage {
	case Pending, Undone:
		s.begin(rb, def, st, d)
	case Applying:
		if !st.Uncertain {
			d.run(applyEffect(def, st))
			d.wait(Wait{For: "effect", What: "step " + def.ID + " is being applied"})
			return
		}
		s.settle(def, st, d)
	}
}

// applyEffect goes on from the cursor where there is one.
func applyEffect(def runbook.Step, st *Step) Effect {
	do := DoApply
	if def.Kind.Resumable && st.Resume {
		do = DoResume
	}
	return Effect{Do: do, Step: def.ID, Attempt: st.Attempt}
}

func (s *State) begin(rb *runbook.Runbook, def runbook.Step, st *Step, d *Decision) {
	for _, need := range def.Needs {
		if s.step(need).Stage == Skipped {
			d.say(Paused{Why: fmt.Sprintf("step %s needs step %s, which was skipped", def.ID, need), By: "step:" + def.ID, Next: "segue rollback"})
			return
		}
	}
	if a, _ := approvalOf(rb, def.ID); a != nil {
		if _, missing := s.approved(a, def.ID); missing != "" {
			d.wait(Wait{For: "approval", What: "step " + def.ID, Who: missing, Command: approveCommand(def.ID, a)})
			return
		}
	}
	obs, ok := s.observed[def.ID]
	if !ok {
		d.run(Effect{Do: DoObserve, Step: def.ID, Attempt: st.Attempt + 1})
		d.wait(Wait{For: "effect", What: "looking at the world before step " + def.ID})
		return
	}
	if changes := s.drifted(st, obs.Before); len(changes) > 0 && !st.Accept && !st.First {
		s.sayDrift(def, changes, false, d)
		return
	}
	again := st.Intended
	if again && matches(st.Want, obs.Before) {
		d.say(StepDone{Step: def.ID, After: obs.Before, Changed: !st.Before.Equal(st.Want), Recovered: true})
		return
	}
	d.say(StepIntent{Step: def.ID, Attempt: st.Attempt + 1, Before: obs.Before, Want: obs.Want, Diff: state.Diff(obs.Before, obs.Want), Seal: obs.Seal, Again: again})
	if !again && obs.Before.Equal(obs.Want) {
		d.say(StepDone{Step: def.ID, After: obs.Before})
	}
}

// drifted lists fields that are neither as the run left them nor, for a step
// that was begun before, as that attempt found or wanted them.
func (s *State) drifted(st *Step, found state.Face) []state.Change {
	var out []state.Change
	for _, c := range state.Drift(s.Left, found) {
		own := state.Face{c.Resource: {c.Field: c.To}}
		if st.Intended && (holds(st.Before, own) || holds(st.Want, own)) {
			continue
		}
		out = append(out, c)
	}
	return out
}

// holds reports whether face has exactly the fields of part.
func holds(face, part state.Face) bool {
	for id, fields := range part {
		for name := range fields {
			if _, ok := face[id][name]; !ok {
				return false
			}
		}
	}
	return len(state.Drift(face, part)) == 0
}

// matches reports whether every field of want is so in found.
func matches(want, found state.Face) bool { return holds(found, want) }

// settle finds out what became of an intent without outcome.
func (s *State) settle(def runbook.Step, st *Step, d *Decision) {
	obs, ok := s.observed[def.ID]
	if !ok || !obs.Settled {
		d.run(Effect{Do: DoObserve, Step: def.ID, Attempt: st.Attempt, Settle: true})
		d.wait(Wait{For: "effect", What: "finding out what became of step " + def.ID + " after a crash"})
		return
	}
	resumable := def.Kind.Resumable
	switch {
	case matches(st.Want, obs.Before) && !(resumable && st.Cursor != nil):
		d.say(StepDone{Step: def.ID, After: obs.Before, Changed: !st.Before.Equal(st.Want), Recovered: true})
	case matches(st.Before, obs.Before), resumable, st.Retry, st.First:
		d.say(StepIntent{Step: def.ID, Attempt: st.Attempt + 1, Before: st.Before, Want: st.Want, Seal: st.SealWant, Again: true})
	default:
		s.sayDrift(def, state.Drift(st.Want, obs.Before), true, d)
	}
}

func (s *State) sayDrift(def runbook.Step, changes []state.Change, between bool, d *Decision) {
	why := "drift: what step " + def.ID + " is to change is not as the run left it: "
	if between {
		why = "step " + def.ID + " was cut off half-way; the world is neither as before nor as wanted: "
	}
	d.say(DriftFound{Step: def.ID, Changes: changes, Between: between},
		Paused{Why: why + list(changes), By: "drift", Next: "segue retry (after mending it), segue retry --accept-drift, or segue rollback"})
}

func list(changes []state.Change) string {
	text := ""
	for i, c := range changes {
		if i == 5 {
			return text + fmt.Sprintf("; and %d more", len(changes)-5)
		}
		if i > 0 {
			text += "; "
		}
		text += c.String()
	}
	return text
}

// Timeout is how long one apply or undo of the step may take.
func Timeout(def runbook.Step) time.Duration {
	if def.Timeout > 0 {
		return def.Timeout
	}
	return 5 * time.Minute
}
