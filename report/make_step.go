package report

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/state"
)

func (m *maker) takeStep(ev engine.Event, e runner.Entry) {
	switch ev := ev.(type) {
	case engine.StepIntent:
		m.intent(ev, e)
	case engine.StepCursor:
		if s := m.step(ev.Step); len(s.Attempts) > 0 {
			m.try(ev.Step).Cursors++
		}
	case engine.StepDone:
		m.done(ev, e.At)
	case engine.StepFailed:
		m.failed(ev, e)
	case engine.StepIndeterminate:
		if !ev.Undo {
			a := m.try(ev.Step)
			a.Ended, a.Outcome = e.At, "indeterminate: it ignored its cancellation"
		}
	case engine.DriftFound:
		m.r.Drift = append(m.r.Drift, Drift{e.At, ev.Step, ev.Between, ev.Changes})
	}
}

func (m *maker) intent(ev engine.StepIntent, e runner.Entry) {
	s := m.step(ev.Step)
	if n := len(s.Attempts); n > 0 && s.Attempts[n-1].Outcome == "" {
		s.Attempts[n-1].Outcome = "cut off"
	}
	s.Attempts = append(s.Attempts, StepAttempt{
		Attempt: ev.Attempt, Epoch: e.Epoch, Started: e.At, Diff: state.Diff(ev.Before, ev.Want), want: ev.Want.With(ev.Before),
	})
}

func (m *maker) done(ev engine.StepDone, at time.Time) {
	a := m.try(ev.Step)
	a.Ended, a.Changed, a.Recovered = at, ev.Changed, ev.Recovered
	a.Outcome = "done"
	switch {
	case ev.Recovered:
		a.Outcome = "done, found so after a crash"
	case !ev.Changed:
		a.Outcome = "nothing to do"
	}
	a.Error, a.Stage = "", ""
	a.Told = beside(ev.After, a.want)
	a.Took = between(a.Started, at)
	if ev.Millis > 0 {
		a.Took = Span(time.Duration(ev.Millis) * time.Millisecond)
	}
	m.step(ev.Step).Kept = nil
	delete(m.kept, ev.Step)
}

func (m *maker) failed(ev engine.StepFailed, e runner.Entry) {
	s := m.step(ev.Step)
	if n := len(s.Attempts); n == 0 || s.Attempts[n-1].Outcome != "" {
		// It failed before there was an intent: looking, or planning.
		s.Attempts = append(s.Attempts, StepAttempt{Attempt: n + 1, Epoch: e.Epoch, Started: e.At})
	}
	a := m.try(ev.Step)
	a.Ended, a.Outcome, a.Stage, a.Error, a.Remedy = e.At, "failed", ev.Stage, ev.Error, ev.Remedy
	a.Took = between(a.Started, e.At)
}

// outcome says in words where the step stands in the end.
func (s *Step) outcome() string {
	switch s.Stage {
	case engine.Skipped:
		return "skipped"
	case engine.Undone:
		if s.Kept != nil {
			return "undone, kept " + s.Kept.What
		}
		return "undone"
	case engine.Undoing:
		return "its undo is not over"
	}
	n := len(s.Attempts)
	if n == 0 {
		return "not begun"
	}
	if s.Attempts[n-1].Outcome == "" {
		return "being applied"
	}
	if s.Stage == engine.Pending {
		return "to be tried again"
	}
	return s.Attempts[n-1].Outcome
}
