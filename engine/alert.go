package engine

import (
	"fmt"
	"time"

	"github.com/segue-run/segue/runbook"
)

// Escalated: nobody has acknowledged for as long as a rung of the path says.
type Escalated struct {
	Rung     int           `json:"rung"` // from 0; past the path, its last one again
	Contact  string        `json:"contact"`
	After    time.Duration `json:"after"` // since it began
	Severity string        `json:"severity"`
	Why      string        `json:"why"`
}

// Type implements [Event].
func (Escalated) Type() string { return "alert.escalated" }

// An Alert is something wrong that somebody must acknowledge. There is one at a
// time: what comes while nobody has acknowledged belongs to it.
type Alert struct {
	Since    time.Time `json:"since"`
	Why      string    `json:"why"`
	Severity string    `json:"severity"`
	Rungs    int       `json:"rungs,omitempty"` // that were told,
	Told     time.Time `json:"told,omitzero"`   // the last of them then
	// By is who acknowledged it, and At when; "" while nobody has.
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
	Note string    `json:"note,omitempty"`
}

// Unacknowledged is the alert that nobody has acknowledged; nil if there is
// none, or the runbook does not say what must be.
func (s *State) Unacknowledged(rb *runbook.Runbook) *Alert {
	if rb.Escalation == nil || s.Alert == nil || s.Alert.By != "" {
		return nil
	}
	return s.Alert
}

// alarm opens an alert for what is severe enough.
func (s *State) alarm(rb *runbook.Runbook, ev Event, at time.Time) {
	switch ev.(type) {
	case Escalated, Aborted, RolledBack:
		return // it is known, or over
	}
	if !rings(rb, ev) {
		return
	}
	severity := Severity(rb, ev)
	if a := s.Alert; a == nil || a.By != "" {
		s.Alert = &Alert{Since: at, Why: alertWhy(ev), Severity: severity}
	} else if severity < a.Severity {
		a.Severity = severity
	}
}

func alertWhy(ev Event) string {
	switch ev := ev.(type) {
	case GuardTripped:
		return guardWhy(ev)
	case RollbackStarted:
		return ev.Why
	case RollbackEnded:
		return "rollback " + ev.Result
	case StepFailed:
		return fmt.Sprintf("step %s failed: %s", ev.Step, ev.Error)
	case StepIndeterminate:
		return fmt.Sprintf("step %s ignored its cancellation", ev.Step)
	case UndoFailed:
		return fmt.Sprintf("the undo of %s failed: %s", ev.Step, ev.Error)
	case UndoHeld:
		return fmt.Sprintf("the undo of %s is held back: %s", ev.Step, ev.Because)
	case VerifyFailed:
		return ev.Of + " is not verified"
	case GateExpired:
		return fmt.Sprintf("the gate of phase %s did not open in time", ev.Phase)
	case DriftFound:
		return "drift: " + list(ev.Changes)
	case Paused:
		return ev.Why
	}
	return ev.Type()
}

// rings reports whether an event opens an alert.
func rings(rb *runbook.Runbook, ev Event) bool {
	return rb.Escalation != nil && Severity(rb, ev) <= rb.Escalation.Severity // P1 is the least, and the worst
}

// answers are the signals by which a person shows to see to what is wrong.
func (k SignalKind) answers() bool {
	switch k {
	case SignalAck, SignalPause, SignalResume, SignalRetry, SignalSkip, SignalRollback, SignalAbort:
		return true
	}
	return false
}

// acknowledge ends an alert.
func (s *State) acknowledge(sig Signal, at time.Time) {
	if s.Alert != nil && s.Alert.By == "" && sig.Kind.answers() {
		s.Alert.By, s.Alert.At, s.Alert.Note = sig.Actor, at, sig.Note
	}
}

func (s *State) refuseAck(rb *runbook.Runbook) string {
	switch a := s.Alert; {
	case rb.Escalation == nil:
		return "the runbook has no escalation: nothing waits to be acknowledged"
	case a == nil:
		return "nothing is wrong that must be acknowledged"
	case a.By != "":
		return fmt.Sprintf("%s acknowledged it at %s UTC", a.By, a.At.UTC().Format(time.TimeOnly))
	}
	return ""
}

// escalate tells the next rung when its time has come, whatever else goes on.
func (s *State) escalate(rb *runbook.Runbook, d *Decision, now time.Time) {
	a := s.Unacknowledged(rb)
	if a == nil {
		return
	}
	rung, due := rb.Escalation.Rung(a.Rungs), a.Told.Add(rb.Escalation.Again)
	if a.Rungs < len(rb.Escalation.Path) {
		due = a.Since.Add(rung.After)
	}
	if now.Before(due) {
		d.wakeAt(due)
		return
	}
	d.say(Escalated{Rung: a.Rungs, Contact: rung.Contact, After: due.Sub(a.Since), Severity: a.Severity, Why: a.Why})
}

// held reports whether the run is all the way back, and over but for somebody
// who must acknowledge why.
func (s *State) held() bool {
	r := s.Rollback
	return s.Status == PausedStatus && s.Pause != nil && s.Pause.By == "rollback" && r != nil && r.Ended != nil && r.over(*r.Ended)
}

// over reports whether a rollback that ended so ends the run.
func (r *Rollback) over(ev RollbackEnded) bool {
	return r.Start && r.Floor == "" && ev.Result != RolledFail
}
