package notify

import (
	"fmt"
	"maps"
	"slices"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/report"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// A notice is one that routes decide upon.
type notice struct {
	driver.Notice
	route  string // the severity by which it is routed: what ends an incident goes where its beginning went
	pagers bool   // it is for those that keep incidents, and news to nobody else
	rung   *engine.Escalated
}

// A story goes through a run's events and says what is told of each. It
// remembers the incidents that are open.
type story struct {
	run  string
	open map[string]incident
}

// An incident is something wrong that pagers keep open.
type incident struct{ severity, topic, title string }

func newStory(run string) *story { return &story{run: run, open: map[string]incident{}} }

// tell says what is told of an event; s is the run's state behind it.
func (t *story) tell(e runner.Entry, s *engine.State) []notice {
	var out []notice
	if topic := topicOf(e.Event); topic != "" {
		n := t.notice(e, topic)
		n.Incident, n.Turn = turnOf(e.Event)
		if was, known := t.open[n.Incident]; known && n.Turn == driver.Closes {
			n.route = was.severity
		}
		if esc, ok := e.Event.(engine.Escalated); ok {
			n.rung = &esc
		}
		out = append(out, n)
		switch n.Turn {
		case driver.Opens:
			t.open[n.Incident] = incident{n.Severity, topic, n.Title}
		case driver.Closes:
			delete(t.open, n.Incident)
		}
	}
	return append(out, t.follow(e, s)...)
}

// follow is what becomes of the incidents that are open already.
func (t *story) follow(e runner.Entry, s *engine.State) []notice {
	var out []notice
	sig, taken := e.Event.(engine.SignalTaken)
	for _, name := range slices.Sorted(maps.Keys(t.open)) {
		was, turn := t.open[name], driver.Turn("")
		switch {
		case over(name, s):
			turn = driver.Closes
			delete(t.open, name)
		case taken && sig.Signal.Kind == engine.SignalAck:
			turn = driver.Acknowledged
		default:
			continue
		}
		n := t.notice(e, was.topic)
		n.Key = fmt.Sprintf("%s/%s/%s", n.Key, turn, name)
		n.Title, n.Incident, n.Turn = was.title, name, turn
		n.Severity, n.route, n.pagers = engine.P4, was.severity, true
		out = append(out, n)
	}
	return out
}

// The incidents that are not a guard's. What failed, and what nobody
// acknowledges, each has its own.
const (
	incidentPause    = "pause"
	incidentRollback = "rollback"
	incidentUnheard  = "unacknowledged"
)

// over reports whether an incident is over in a state.
func over(name string, s *engine.State) bool {
	if s.Status.Final() {
		// What is back and not verified a person closes.
		return name != incidentRollback || s.Status != engine.RolledBackStatus || s.Rollback == nil || s.Rollback.Ended == nil || s.Rollback.Ended.Result == engine.Verified
	}
	switch name {
	case incidentPause:
		return s.Status != engine.PausedStatus
	case incidentRollback:
		return s.Status == engine.Running
	case incidentUnheard:
		return s.Alert == nil || s.Alert.By != ""
	}
	return false
}

// turnOf is what an event makes of an incident.
func turnOf(ev engine.Event) (string, driver.Turn) {
	switch ev := ev.(type) {
	case engine.GuardTripped:
		return "guard/" + ev.Guard, driver.Opens
	case engine.GuardQuiet:
		return "guard/" + ev.Guard, driver.Closes
	case engine.Paused:
		return incidentPause, driver.Opens
	case engine.RollbackStarted:
		return incidentRollback, driver.Opens
	case engine.RollbackEnded:
		if ev.Result == engine.Verified {
			return incidentRollback, driver.Closes
		}
		return incidentRollback, driver.Opens
	case engine.Escalated:
		return incidentUnheard, driver.Opens
	}
	return "", ""
}

// topicOf is what an event is about; "" for what is not told.
func topicOf(ev engine.Event) string {
	switch ev := ev.(type) {
	case engine.Created, engine.Amended, engine.Completed, engine.Aborted, engine.RolledBack:
		return runbook.TopicRun
	case engine.Acquired:
		if ev.Epoch > 1 {
			return runbook.TopicRun // another process goes on
		}
	case engine.PhaseStarted, engine.PhaseReady, engine.PhaseDone, engine.VerifyFailed:
		return runbook.TopicPhase
	case engine.StepDone, engine.StepFailed, engine.StepIndeterminate, engine.DriftFound:
		return runbook.TopicStep
	case engine.GateOpened, engine.GatePassed, engine.GateExpired:
		return runbook.TopicGate
	case engine.GuardTripped, engine.GuardQuiet:
		return runbook.TopicGuard
	case engine.RollbackStarted, engine.RollbackEnded, engine.UndoDone, engine.UndoFailed, engine.UndoHeld:
		return runbook.TopicRollback
	case engine.Paused, engine.Resumed:
		return runbook.TopicPause
	case engine.Escalated:
		return runbook.TopicEscalation
	case engine.SignalRefused:
		return runbook.TopicPeople
	case engine.SignalTaken:
		return topicOfSignal(ev.Signal.Kind)
	}
	return ""
}

func topicOfSignal(k engine.SignalKind) string {
	switch k {
	case engine.SignalPause, engine.SignalResume, engine.SignalRetry:
		return runbook.TopicPause
	case engine.SignalRollback:
		return runbook.TopicRollback
	case engine.SignalSkip:
		return runbook.TopicStep
	case engine.SignalAbort:
		return runbook.TopicRun
	case engine.SignalAmend, engine.SignalLate:
		return "" // its amendment is told; it is no person's
	}
	return runbook.TopicPeople
}

// notice is an event in words.
func (t *story) notice(e runner.Entry, topic string) notice {
	n := notice{Notice: driver.Notice{
		Key: fmt.Sprintf("%s/%d", t.run, e.Seq), Run: t.run, Runbook: e.Runbook.Name, Topic: topic,
		Severity: engine.Severity(e.Runbook, e.Event), At: e.At,
	}}
	n.route = n.Severity
	what := report.Sentence(e.Event)
	n.Title = oneLine(e.Runbook.Name+": "+what, maxTitle)
	n.Text = what
	if more := more(e); more != "" {
		n.Text += "\n" + more
	}
	return n
}
