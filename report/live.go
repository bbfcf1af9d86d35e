package report

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runner"
)

// Live folds a run's events again, each reading at its time, and asks the
// engine what follows at now. Nothing is journaled: the state it returns is
// the reader's own. What the run is about to journal is in the decision's
// Append, as far as it is more than a checkpoint.
//
// For a run that nobody carries out, now is the time of its last event: none
// of the time since has counted.
func Live(h *runner.History, seen []Seen, now time.Time) (*engine.State, engine.Decision) {
	s := refold(h, seen)
	var d engine.Decision
	for range 100 {
		d = engine.Decide(h.Runbook, s, now)
		if len(d.Append) == 0 || !onlyCheckpoints(d.Append) {
			break
		}
		for _, ev := range d.Append {
			s.Fold(h.Runbook, ev, now)
		}
	}
	return s, d
}

// refold folds events and readings in the order of their times.
func refold(h *runner.History, seen []Seen) *engine.State {
	s := engine.New()
	for _, e := range h.Events {
		for len(seen) > 0 && !seen[0].Reading.At.After(e.At) {
			s.NoteReading(e.Runbook, seen[0].Check, seen[0].Reading)
			seen = seen[1:]
		}
		s.Fold(e.Runbook, e.Event, e.At)
	}
	for _, r := range seen {
		s.NoteReading(h.Runbook, r.Check, r.Reading)
	}
	return s
}

// onlyCheckpoints reports whether events say no more than what is seen anyway:
// a reader may think them on. All others the run must say itself.
func onlyCheckpoints(events []engine.Event) bool {
	for _, ev := range events {
		switch ev.(type) {
		case engine.CheckTurned, engine.GateHeld, engine.GateOpened, engine.GuardQuiet, engine.PhaseStarted, engine.VerifyStarted:
		default:
			return false
		}
	}
	return true
}
