package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runner"
)

// Reasons are why a run waits, rests, or ended as it did.
type Reasons struct {
	Run    string        `json:"run"`
	Name   string        `json:"name"`
	Status engine.Status `json:"status"`
	At     time.Time     `json:"at"`
	Why    string        `json:"why"` // in a sentence
	Holder string        `json:"holder,omitempty"`
	// Waits are all that it waits for now.
	Waits []Reason `json:"waits,omitempty"`
	// Chain is how it came to rest or to its end, the cause first.
	Chain []Moment `json:"chain,omitempty"`
	Next  []string `json:"next,omitempty"`
	Left  []Left   `json:"left,omitempty"`
}

// A Reason is one wait with all that is known of it.
type Reason struct {
	engine.Wait
	Since    time.Time `json:"since,omitzero"`    // of the check's verdict
	Kind     string    `json:"kind,omitempty"`    // of the check
	NeedsAgo Span      `json:"age_s,omitempty"`   // of the reading
	Clears   string    `json:"clears,omitempty"`  // what would end the wait
	Refused  []string  `json:"refused,omitempty"` // answers that were not taken, and why
}

// Why gives the reasons, from the same as [Status].
func Why(h *runner.History, s *engine.State, d engine.Decision, holder string, now time.Time) Reasons {
	past := brief(h)
	r := Reasons{Run: h.Run, Name: s.Name, Status: s.Status, At: now, Why: past.Why, Left: past.Left}
	if !s.Status.Final() {
		r.Holder = holder
	}
	for _, w := range d.Waits {
		r.Waits = append(r.Waits, reason(h, s, w, past, now))
	}
	for _, ev := range d.Append {
		r.Next = append(r.Next, Sentence(ev))
	}
	if s.Status == engine.CompletedStatus {
		r.Chain = milestones(h)
	} else if s.Status == engine.PausedStatus || s.Status == engine.RollingBack || s.Status.Final() {
		r.Chain = chain(h)
	}
	if r.Why == "" {
		r.Why = summary(r.Waits, r.Next)
	}
	return r
}

func reason(h *runner.History, s *engine.State, w engine.Wait, past *Report, now time.Time) Reason {
	r := Reason{Wait: w}
	switch w.For {
	case "check":
		if def, ok := h.Runbook.Check(w.What); ok {
			r.Kind = def.Kind.Name
		}
		if c := s.Checks[w.What]; c != nil {
			r.Since, r.NeedsAgo = c.Since, max(between(c.Reading.At, now), 0)
		}
		r.Clears = clears(w)
	case "approval", "attestation":
		for _, sig := range past.Signals {
			kind := sig.Signal.Kind
			if sig.Refused != "" && (kind == engine.SignalApprove) == (w.For == "approval") && (kind == engine.SignalAttest) == (w.For == "attestation") {
				r.Refused = append(r.Refused, fmt.Sprintf("%s %s", clock(sig.At), signalled(sig.Signal)+": "+sig.Refused))
			}
		}
	}
	return r
}

func clears(w engine.Wait) string {
	switch {
	case w.Reading == nil:
		return "its first reading"
	case w.Reading.Verdict != evidence.Pass && w.Needs > 0:
		return fmt.Sprintf("passes, without a break, for %s", Span(w.Needs-w.Held))
	case w.Needs > 0:
		return fmt.Sprintf("%s more without a break", Span(w.Needs-w.Held))
	}
	return "a pass"
}

// chain is the way to a run's rest or end: from the event that set it off.
func chain(h *runner.History) []Moment {
	from := len(h.Events)
	for i := anchor(h); i >= 0; i-- {
		if !consequence(h.Events[i].Event) {
			break
		}
		from = i
		if cause(h.Events[i].Event) {
			break
		}
	}
	var out []Moment
	for _, e := range h.Events[from:] {
		switch e.Event.(type) {
		case engine.UndoIntent, engine.VerifyStarted, engine.GateHeld, engine.CheckTurned, engine.StepCursor, engine.StepProgress:
			continue
		}
		out = append(out, Moment{e.Seq, e.At, e.Epoch, e.Event.Type(), Sentence(e.Event)})
	}
	return out
}

// anchor is the event from which to go back to the cause: the last rollback's
// start where the run has come to rest by one, else the last event.
func anchor(h *runner.History) int {
	s := h.State
	byRollback := s.Status == engine.RollingBack || s.Status == engine.RolledBackStatus || s.Pause != nil && s.Pause.By == "rollback"
	for i := len(h.Events) - 1; i >= 0 && byRollback; i-- {
		if _, ok := h.Events[i].Event.(engine.RollbackStarted); ok {
			return i
		}
	}
	return len(h.Events) - 1
}

// milestones are what a completed run rests on.
func milestones(h *runner.History) []Moment {
	var out []Moment
	for _, e := range h.Events {
		switch e.Event.(type) {
		case engine.PhaseReady, engine.VerifyPassed, engine.GatePassed, engine.PhaseDone, engine.RollbackEnded, engine.Completed:
			out = append(out, Moment{e.Seq, e.At, e.Epoch, e.Event.Type(), Sentence(e.Event)})
		}
	}
	return out
}

// consequence reports whether an event may follow from a cause; going back
// from the end, the first that cannot is where the story begins.
func consequence(ev engine.Event) bool {
	switch ev.(type) {
	case engine.PhaseStarted, engine.PhaseReady, engine.StepIntent, engine.GateOpened, engine.Created, engine.Resumed:
		return false
	}
	return true
}

// cause reports whether an event sets off what follows.
func cause(ev engine.Event) bool {
	switch ev := ev.(type) {
	case engine.GuardTripped:
		return ev.Do != "notify"
	case engine.StepFailed, engine.VerifyFailed, engine.GateExpired, engine.DriftFound:
		return true
	case engine.SignalTaken:
		return ev.Signal.Kind == engine.SignalRollback || ev.Signal.Kind == engine.SignalAbort || ev.Signal.Kind == engine.SignalPause
	}
	return false
}

func summary(waits []Reason, next []string) string {
	var work, parts []string
	for _, w := range waits {
		switch {
		case waitHead(w.Wait) == "at work":
			work = append(work, WaitLine(w.Wait))
		case w.For == "check":
			parts = append(parts, "check "+w.What)
		default:
			parts = append(parts, WaitLine(w.Wait))
		}
	}
	if len(parts) > 0 {
		work = append(work, "it waits for "+strings.Join(parts, ", "))
	}
	if len(work) > 0 {
		return strings.Join(work, "; ")
	}
	if len(next) > 0 {
		return "it is about to go on: " + strings.Join(next, "; ")
	}
	return "it goes on"
}
