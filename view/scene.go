package view

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runner"
)

// A Scene is all there is to show of a run at a time.
type Scene struct {
	Now    report.Now
	Events []report.Moment // the last ones, checkpoints left out
	Notes  []string        // lines of whoever shows the run
}

const mostEvents = 100

// NewScene makes the scene of a history whose state need not be folded.
func NewScene(h *runner.History, seen []report.Seen, holder string, now time.Time) Scene {
	at := now
	if holder == "" {
		at = lastSign(h, seen) // nothing has counted since
	}
	s, d := report.Live(h, seen, at)
	whole := *h
	whole.State = s
	return Scene{Now: report.Status(&whole, s, d, holder, now), Events: moments(h.Events)}
}

func lastSign(h *runner.History, seen []report.Seen) time.Time {
	at := h.Events[len(h.Events)-1].At
	if n := len(seen); n > 0 && seen[n-1].Reading.At.After(at) {
		at = seen[n-1].Reading.At
	}
	return at
}

func moments(events []runner.Entry) []report.Moment {
	var out []report.Moment
	for i := len(events) - 1; i >= 0 && len(out) < mostEvents; i-- {
		if _, far := events[i].Event.(engine.StepProgress); far {
			continue // it stands with its step
		}
		if m, ok := moment(events[i]); ok {
			out = append([]report.Moment{m}, out...)
		}
	}
	return out
}

// moment is an event as a line, false for a checkpoint.
func moment(e runner.Entry) (report.Moment, bool) {
	switch e.Event.(type) {
	case engine.GateHeld, engine.StepCursor:
		return report.Moment{}, false
	}
	return report.Moment{Seq: e.Seq, At: e.At, Epoch: e.Epoch, Type: e.Event.Type(), Text: report.Sentence(e.Event)}, true
}
