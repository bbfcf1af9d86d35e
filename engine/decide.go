package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// Do is what an effect does.
type Do string

const (
	DoObserve    Do = "observe" // → Observed note or StepFailed
	DoApply      Do = "apply"   // → StepDone, StepFailed or StepIndeterminate
	DoResume     Do = "resume"  // the same, from the cursor
	DoUndo       Do = "undo"    // → UndoDone, UndoFailed or StepIndeterminate
	DoWitness    Do = "witness" // → Witnessed
	DoWatch      Do = "watch"   // → readings, for as long as it is wanted
	DoSurvey     Do = "survey"  // → Surveyed note
	DoBackground Do = "background"
)

// An Effect is something that should be going on in the world.
type Effect struct {
	Do      Do
	Step    string        // of observe, apply, resume, undo, witness, background
	Check   string        // of watch
	Every   time.Duration // of watch
	Attempt int
	Settle  bool     // of observe: wait until the world no longer moves
	Steps   []string // of survey
	ID      string   // of survey
}

// Key names the effect: an effect with the same key is the same one going on.
func (e Effect) Key() string {
	switch e.Do {
	case DoWatch:
		return fmt.Sprintf("watch %s %s", e.Check, e.Every)
	case DoSurvey:
		return "survey " + e.ID
	}
	return fmt.Sprintf("%s %s %d", e.Do, e.Step, e.Attempt)
}

// A Wait is something that the run waits for, and all that is known of it.
type Wait struct {
	For     string            `json:"for"` // check, approval, attestation, person, effect, time
	What    string            `json:"what"`
	Who     string            `json:"who,omitempty"`
	Reading *evidence.Reading `json:"reading,omitempty"`
	Held    time.Duration     `json:"held,omitempty"` // of a gate's clock
	Needs   time.Duration     `json:"needs,omitempty"`
	Missing string            `json:"missing,omitempty"`
	// Progress is how far the evidence is, where the check claims something of a
	// share.
	Progress *evidence.Progress `json:"progress,omitempty"`
	// Earliest is when it can be over, if nothing breaks it.
	Earliest time.Time `json:"earliest,omitzero"`
	Command  string    `json:"command,omitempty"` // what a person types to answer it
}

// A Decision is what follows from a state at a time. If Append is not empty,
// journal and fold these events and decide again; Run is then not complete.
type Decision struct {
	Append []Event
	Run    []Effect
	Wake   time.Time // zero: nothing happens by time alone
	Waits  []Wait
}

func (d *Decision) say(ev ...Event) { d.Append = append(d.Append, ev...) }
func (d *Decision) wait(w Wait)     { d.Waits = append(d.Waits, w) }
func (d *Decision) wakeAt(t time.Time) {
	if !t.IsZero() && (d.Wake.IsZero() || t.Before(d.Wake)) {
		d.Wake = t
	}
}

func (d *Decision) run(e Effect) { d.Run = append(d.Run, e) }

// watch asks for a check's readings; asked for twice, the shorter period wins.
func (d *Decision) watch(check string, every time.Duration) {
	for i, e := range d.Run {
		if e.Do == DoWatch && e.Check == check {
			d.Run[i].Every = min(e.Every, every)
			return
		}
	}
	d.run(Effect{Do: DoWatch, Check: check, Every: every})
}

// OnlyPeople reports whether nothing but a person's signal moves the run on.
func (d *Decision) OnlyPeople() bool {
	if len(d.Append) > 0 || len(d.Waits) == 0 {
		return false
	}
	for _, e := range d.Run {
		if e.Do != DoWatch && e.Do != DoBackground {
			return false
		}
	}
	people := false
	for _, w := range d.Waits {
		switch w.For {
		case "approval", "attestation", "person":
			people = true
		default:
			return false
		}
	}
	return people
}

// Decide says what follows from the state at a time. It is pure.
func Decide(rb *runbook.Runbook, s *State, now time.Time) Decision {
	var d Decision
	if s.Status.Final() || s.Started.IsZero() {
		return d
	}
	if s.abort != "" {
		d.say(Aborted{By: s.abort, Left: s.leftAsItIs(rb)})
		return d
	}
	s.turns(&d)
	s.guards(rb, &d)
	s.escalate(rb, &d, now)
	if len(d.Append) > 0 {
		return d
	}
	if s.request != nil && s.Status != RollingBack {
		s.startRollback(rb, *s.request, &d)
		return d
	}
	switch s.Status {
	case RollingBack:
		s.backgrounds(rb, &d)
		s.rollback(rb, &d, now)
	case PausedStatus:
		if s.held() && s.Unacknowledged(rb) == nil {
			d.say(RolledBack{Result: s.Rollback.Ended.Result})
			return d
		}
		s.backgrounds(rb, &d)
		s.inFlight(rb, &d)
		d.wait(Wait{For: "person", What: s.Pause.Why, Command: s.Pause.Next})
	default:
		s.backgrounds(rb, &d)
		s.forward(rb, &d, now)
	}
	if len(d.Append) > 0 {
		d.Run, d.Waits = nil, nil
	} else if a := s.Unacknowledged(rb); a != nil { // last: nothing else waits for it
		d.wait(Wait{For: "person", What: "somebody to acknowledge: " + a.Why, Command: "segue ack"})
	}
	return d
}

// turns journals the changes of verdicts.
func (s *State) turns(d *Decision) {
	names := make([]string, 0, len(s.Checks))
	for name, c := range s.Checks {
		was, ever := s.turned[name]
		if !ever || was != c.Reading.Verdict {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		d.say(CheckTurned{Check: name, Reading: s.Checks[name].Reading})
	}
}

// inFlight keeps what is being applied going while the run is paused: a pause
// takes hold between steps.
func (s *State) inFlight(rb *runbook.Runbook, d *Decision) {
	for _, id := range s.Order {
		st := s.Steps[id]
		if st.Stage == Applying && !st.Uncertain {
			def, _ := rb.Step(id)
			d.run(applyEffect(def, st))
			d.wait(Wait{For: "effect", What: "step " + id + " is being applied"})
		}
	}
}

// backgrounds keeps the background work of steps that are done going, also
// during a rollback that leaves them as they are.
func (s *State) backgrounds(rb *runbook.Runbook, d *Decision) {
	for _, id := range s.Order {
		st := s.Steps[id]
		if s.Status == RollingBack && slices.Contains(s.Rollback.Undo, id) {
			continue
		}
		if def, ok := rb.Step(id); ok && def.Kind.Background && st.Stage == Done {
			d.run(Effect{Do: DoBackground, Step: id, Attempt: st.Attempt})
		}
	}
}

func (s *State) forward(rb *runbook.Runbook, d *Decision, now time.Time) {
	p, ok := s.PhaseOf(rb)
	if !ok {
		if !s.survey(d) {
			d.say(Completed{})
		}
		return
	}
	ph := s.phase(p.Name)
	switch ph.Stage {
	case Pending, Undone:
		if missing := s.unmet(rb, p.Needs); missing != "" {
			d.say(Paused{Why: fmt.Sprintf("phase %s needs phase %s, of which a step was skipped", p.Name, missing), By: "phase:" + p.Name, Next: "segue rollback"})
			return
		}
		d.say(PhaseStarted{Phase: p.Name, Attempt: ph.Attempt + 1})
	case Requiring:
		s.require(rb, p, ph, d, now)
	case Stepping:
		s.steps(rb, p, ph, d, now)
	case Gating:
		s.gate(rb, p, ph, d, now)
	case Done:
		d.say(PhaseDone{Phase: p.Name})
	}
}

// unmet is the first of the named phases in which a step was skipped.
func (s *State) unmet(rb *runbook.Runbook, needs []string) string {
	for _, name := range needs {
		i := rb.Phase(name)
		if i < 0 {
			continue
		}
		for _, step := range rb.Phases[i].Steps {
			if s.step(step.ID).Stage == Skipped {
				return name
			}
		}
	}
	return ""
}

// leftAsItIs lists, for people, what a run that stops here leaves changed.
func (s *State) leftAsItIs(rb *runbook.Runbook) []string {
	var out []string
	for _, id := range s.touched() {
		st := s.Steps[id]
		def, _ := rb.Step(id)
		what := ""
		switch st.Stage {
		case Done:
			if st.Changed {
				what = "done, not undone"
			}
		case Applying, Failed, Undoing:
			what = "begun, its outcome is not known"
		case Skipped:
			if st.Intended {
				what = "begun and then skipped, its outcome is not known"
			}
		case Undone:
			if st.Kept != nil {
				what = fmt.Sprintf("kept %s: %s", st.Kept.What, st.Kept.Cost)
			}
		}
		if what != "" {
			out = append(out, fmt.Sprintf("%s (%s): %s", id, def.Kind.Name, what))
		}
	}
	return out
}

// touched lists the steps that may have left something in the world: those of
// the way forward in their order, then those that a rollback is through with.
func (s *State) touched() []string {
	ids := slices.Clone(s.Order)
	for _, id := range slices.Sorted(maps.Keys(s.Steps)) {
		if st := s.Steps[id]; !slices.Contains(ids, id) && (st.Kept != nil || st.First && st.Intended) {
			ids = append(ids, id)
		}
	}
	return ids
}

func guardWhy(ev GuardTripped) string {
	how := "failed"
	if ev.Unknown {
		how = "was unknown"
	}
	parts := []string{fmt.Sprintf("guard %s: its check %s for %s", ev.Guard, how, ev.For.Round(time.Millisecond))}
	if ev.Reading.Value != "" {
		parts = append(parts, "saw "+ev.Reading.Value)
	}
	if ev.Reading.Bound != "" {
		parts = append(parts, "wants "+ev.Reading.Bound)
	}
	if ev.Reading.Detail != "" {
		parts = append(parts, ev.Reading.Detail)
	}
	return strings.Join(parts, ", ")
}
