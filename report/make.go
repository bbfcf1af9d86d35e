package report

import (
	"slices"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// Make derives the report from a run's history and the readings stored beside
// it. It is pure, and the same history gives the same report.
func Make(h *runner.History, seen []Seen) *Report {
	m := newMaker(h)
	for _, e := range h.Events {
		m.take(e)
	}
	m.finish(seen)
	m.r.Findings = Verify(h)
	if m.r.Findings == nil {
		m.r.Findings = []Finding{}
	}
	return m.r
}

// brief is the report without its timeline and without a replay, for whoever
// only wants to know how the run stands, and often.
func brief(h *runner.History) *Report {
	m := newMaker(h)
	m.brief = true
	for _, e := range h.Events {
		m.take(e)
	}
	m.finish(nil)
	return m.r
}

// A maker goes through a history and remembers what is open.
type maker struct {
	r *Report
	h *runner.History

	phases   map[string]*Phase
	steps    map[string]*Step
	gates    map[string]*Gate // the open one of each phase
	trips    map[string]*Trip
	pause    *Pause
	rollback *Rollback
	undos    map[string]*Undo
	kept     map[string]Left
	brief    bool
}

func newMaker(h *runner.History) *maker {
	m := &maker{
		r:      &Report{Run: h.Run, Status: h.State.Status, Started: h.State.Started, Ended: h.State.Ended, Events: h.Seq},
		h:      h,
		phases: map[string]*Phase{}, steps: map[string]*Step{}, gates: map[string]*Gate{},
		trips: map[string]*Trip{}, undos: map[string]*Undo{}, kept: map[string]Left{},
	}
	for _, p := range h.Runbook.Phases {
		m.phase(p.Name)
		for _, s := range p.Steps {
			m.step(s.ID)
		}
	}
	return m
}

func (m *maker) phase(name string) *Phase {
	p := m.phases[name]
	if p == nil {
		p = &Phase{Name: name, Stage: engine.Pending}
		if st := m.h.State.Phases[name]; st != nil {
			p.Stage = st.Stage
		}
		m.phases[name] = p
		m.r.Phases = append(m.r.Phases, p)
	}
	return p
}

// attempt is the phase's attempt that goes on, or an empty one that nobody
// keeps.
func (m *maker) attempt(phase string) *PhaseAttempt {
	p := m.phase(phase)
	if n := len(p.Attempts); n > 0 {
		return &p.Attempts[n-1]
	}
	return &PhaseAttempt{}
}

func (m *maker) step(id string) *Step {
	s := m.steps[id]
	if s == nil {
		s = &Step{ID: id, Name: id, Stage: engine.Pending}
		if def, ok := m.h.Runbook.Step(id); ok {
			s.Name, s.Kind = def.Name, def.Kind.Name
			s.Phase = phaseOf(m.h.Runbook, id)
		}
		if st := m.h.State.Steps[id]; st != nil {
			s.Stage = st.Stage
		}
		m.steps[id] = s
		m.r.Steps = append(m.r.Steps, s)
	}
	return s
}

// try is the step's attempt that goes on.
func (m *maker) try(id string) *StepAttempt {
	s := m.step(id)
	if n := len(s.Attempts); n > 0 {
		return &s.Attempts[n-1]
	}
	return &StepAttempt{}
}

func phaseOf(rb *runbook.Runbook, step string) string {
	for _, p := range rb.Phases {
		if slices.ContainsFunc(p.Steps, func(s runbook.Step) bool { return s.ID == step }) {
			return p.Name
		}
	}
	return ""
}

func (m *maker) take(e runner.Entry) {
	m.moment(e)
	m.r.Last = e.At
	if n := len(m.r.Processes); n > 0 {
		p := m.r.Processes[n-1]
		p.Until, p.Events = e.At, p.Events+1
	}
	switch ev := e.Event.(type) {
	case engine.Created:
		m.r.Name, m.r.Actor, m.r.Segue = ev.Name, ev.Actor, ev.Segue
		m.r.Runbooks = append(m.r.Runbooks, Text{e.At, e.Seq, ev.Actor, ev.File, ev.Digest, ev.Settings, ev.Text})
	case engine.Amended:
		m.r.Runbooks = append(m.r.Runbooks, Text{e.At, e.Seq, ev.Actor, m.h.Runbook.File, ev.Digest, ev.Settings, ev.Text})
	case engine.Acquired:
		m.acquired(ev, e)
	case engine.PhaseStarted, engine.PhaseReady, engine.PhaseDone:
		m.takePhase(ev, e.At)
	case engine.VerifyPassed:
		m.verified(ev)
	case engine.VerifyFailed:
		m.verifyFailed(ev)
	case engine.GateOpened, engine.GateHeld, engine.GatePassed, engine.GateExpired:
		m.takeGate(ev, e)
	case engine.GuardTripped, engine.GuardQuiet, engine.CheckTurned:
		m.takeGuard(ev, e.At)
	case engine.Paused, engine.Resumed, engine.SignalTaken, engine.SignalRefused:
		m.takePeople(ev, e.At)
	case engine.RollbackStarted, engine.UndoIntent, engine.UndoDone, engine.UndoFailed, engine.UndoHeld, engine.UndoMerged, engine.Witnessed, engine.RollbackEnded:
		m.takeRollback(ev, e.At)
	case engine.Completed, engine.Aborted, engine.RolledBack:
		m.takeEnd(ev, e.At)
	default:
		m.takeStep(ev, e)
	}
}

// moment is the transition's line; checkpoints are none.
func (m *maker) moment(e runner.Entry) {
	if m.brief {
		return
	}
	switch e.Event.(type) {
	case engine.GateHeld, engine.StepCursor, engine.StepProgress:
		return
	}
	m.r.Timeline = append(m.r.Timeline, Moment{e.Seq, e.At, e.Epoch, e.Event.Type(), Sentence(e.Event)})
}

func (m *maker) acquired(ev engine.Acquired, e runner.Entry) {
	p := &Process{Epoch: ev.Epoch, Holder: ev.Holder, Actor: ev.Actor, At: e.At, Until: e.At, Events: 1}
	for _, s := range m.r.Steps {
		if n := len(s.Attempts); n > 0 && s.Attempts[n-1].Outcome == "" {
			p.CutOff = append(p.CutOff, s.ID)
		}
	}
	for _, u := range m.undosInOrder() {
		if u.Outcome == "" {
			p.CutOff = append(p.CutOff, u.Step+" (undo)")
		}
	}
	m.r.Processes = append(m.r.Processes, p)
}

func (m *maker) undosInOrder() []*Undo {
	if m.rollback == nil {
		return nil
	}
	return m.rollback.Undos
}

func (m *maker) takePhase(ev engine.Event, at time.Time) {
	switch ev := ev.(type) {
	case engine.PhaseStarted:
		p := m.phase(ev.Phase)
		p.Attempts = append(p.Attempts, PhaseAttempt{Attempt: ev.Attempt, Started: at})
	case engine.PhaseReady:
		a := m.attempt(ev.Phase)
		a.Ready, a.Readings, a.Given = at, ev.Readings, ev.Given
	case engine.PhaseDone:
		a := m.attempt(ev.Phase)
		a.Ended, a.Outcome = at, "done"
	}
}

func (m *maker) verified(ev engine.VerifyPassed) {
	if _, ok := m.steps[ev.Of]; ok {
		m.try(ev.Of).Verified = ev.Readings
	} else if ev.Of != "rollback" {
		m.attempt(ev.Of).Verified = ev.Readings
	}
}

func (m *maker) verifyFailed(ev engine.VerifyFailed) {
	if _, ok := m.steps[ev.Of]; ok {
		a := m.try(ev.Of)
		a.Verified, a.Outcome = ev.Readings, a.Outcome+", not verified"
	} else if ev.Of != "rollback" {
		m.attempt(ev.Of).Verified = ev.Readings
	}
}

func (m *maker) takeEnd(ev engine.Event, at time.Time) {
	m.endPause(at, "the end of the run")
	if ab, ok := ev.(engine.Aborted); ok {
		for _, left := range ab.Left {
			m.r.Left = append(m.r.Left, Left{At: at, What: left})
		}
	}
}
