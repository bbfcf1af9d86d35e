package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
)

// Verify replays a run: it folds the journal again, event by event, and asks
// before each whether it follows. What the engine decides must be what it
// decides now, in that state, at that time, on the readings that the event
// carries; what an effect answers must answer something that was asked; what a
// person said must have been theirs to say.
//
// It returns what does not follow, in the order of the journal; nothing for a
// sound one. It cannot know what the journal does not say: a reading that was
// never true, or events cut off at its end.
func Verify(h *runner.History) []Finding {
	v := &verifier{h: h, s: engine.New(), saved: map[string]checkpoint{}}
	for i, e := range h.Events {
		v.e, v.rb = e, e.Runbook
		v.place(i)
		if i > 0 {
			v.rb, v.last = h.Events[i-1].Runbook, h.Events[i-1].Event
			v.follows()
		}
		v.s.Fold(e.Runbook, e.Event, e.At)
		v.remember()
	}
	if h.State != nil && len(v.findings) == 0 && v.s.Outline() != h.State.Outline() {
		v.find("folded again, the journal gives another state than before")
	}
	return v.findings
}

// A verifier is in the middle of a replay.
type verifier struct {
	h        *runner.History
	rb       *runbook.Runbook // in force before the event
	s        *engine.State    // before the event
	e        runner.Entry
	last     engine.Event // the one before it
	findings []Finding
	promised []engine.Event // what the same decision said beside the last event
	saved    map[string]checkpoint
}

// A checkpoint is a gate's last one.
type checkpoint struct {
	at     time.Time
	opened time.Time
	clocks map[string]evidence.Hold
	spent  time.Duration
}

func (v *verifier) find(format string, args ...any) {
	v.findings = append(v.findings, Finding{v.e.Seq, v.e.At, fmt.Sprintf("%s: ", v.e.Event.Type()) + fmt.Sprintf(format, args...)})
}

// place looks at where the event stands: its number, its time, its epoch.
func (v *verifier) place(i int) {
	e := v.e
	if want := int64(i + 1); e.Seq != want {
		v.find("it is event %d where event %d should be: the journal has a gap, or was rearranged", e.Seq, want)
	}
	created, begins := e.Event.(engine.Created)
	if begins != (i == 0) {
		v.find("a journal begins with the creation of its run, once")
	}
	if begins {
		v.text(created.Text, created.Digest)
	}
	if am, ok := e.Event.(engine.Amended); ok {
		v.text(am.Text, am.Digest)
	}
	if i == 0 {
		return
	}
	if last := v.h.Events[i-1].At; e.At.Before(last) {
		v.find("it is dated %s before the event it follows: the clock was set back, or the journal was changed", last.Sub(e.At))
	}
	if v.s.Status.Final() {
		v.find("the run was %s before", v.s.Status)
	}
	v.epoch()
}

func (v *verifier) text(text, digest string) {
	sum := sha256.Sum256([]byte(text))
	if hex.EncodeToString(sum[:]) != digest {
		v.find("the runbook's text does not have the digest %.12s… that was pinned with it", digest)
	}
}

func (v *verifier) epoch() {
	acq, ok := v.e.Event.(engine.Acquired)
	switch {
	case !ok && v.e.Epoch != v.s.Epoch:
		v.find("it was written in epoch %d, while epoch %d held the lease", v.e.Epoch, v.s.Epoch)
	case ok && acq.Epoch != v.e.Epoch:
		v.find("it says epoch %d and was written in epoch %d", acq.Epoch, v.e.Epoch)
	case ok && acq.Epoch <= v.s.Epoch:
		v.find("epoch %d comes after epoch %d: epochs only grow", acq.Epoch, v.s.Epoch)
	}
}

// follows asks whether the event follows from the state before it.
func (v *verifier) follows() {
	if v.wasPromised() {
		return
	}
	switch ev := v.e.Event.(type) {
	case engine.SignalTaken:
		v.signal(ev.Message, ev.Signal, true)
	case engine.SignalRefused:
		v.signal(ev.Message, ev.Signal, false)
	case engine.CheckTurned:
		if ev.Reading.At.After(v.e.At.Add(time.Second)) {
			v.find("check %s was read %s after it turned", ev.Check, ev.Reading.At.Sub(v.e.At))
		}
	case engine.GuardTripped:
		v.guard(ev)
	case engine.GateHeld, engine.GatePassed, engine.GateExpired:
		v.gate(ev)
	case engine.StepDone, engine.StepCursor, engine.StepProgress, engine.UndoDone, engine.UndoFailed, engine.Witnessed:
		v.answer(ev)
	case engine.Created, engine.Amended, engine.Acquired, engine.Resumed, engine.StepFailed, engine.StepIndeterminate,
		engine.DriftFound, engine.GuardQuiet:
		// What they say is the world's, or nobody's to decide.
	default:
		if !v.consequent() {
			v.decided()
		}
	}
}

// consequent reports whether the event is the pause that comes with what was
// said right before it, on an observation that only a note told.
func (v *verifier) consequent() bool {
	p, ok := v.e.Event.(engine.Paused)
	if !ok {
		return false
	}
	switch last := v.last.(type) {
	case engine.DriftFound:
		return p.By == "drift"
	case engine.GuardTripped:
		return last.Do == string(runbook.Pause) && p.By == "guard:"+last.Guard
	}
	return false
}

// wasPromised reports whether the event is the next of those that one decision
// said at once.
func (v *verifier) wasPromised() bool {
	if len(v.promised) == 0 {
		return false
	}
	next := v.promised[0]
	v.promised = v.promised[1:]
	if same(next, v.e.Event) {
		return true
	}
	v.promised = nil
	return false
}

// remember keeps what later events are held against.
func (v *verifier) remember() {
	switch ev := v.e.Event.(type) {
	case engine.GateOpened:
		v.saved[ev.Phase] = checkpoint{at: v.e.At, opened: v.e.At, clocks: map[string]evidence.Hold{}}
	case engine.GateHeld:
		c := v.saved[ev.Phase]
		c.at, c.clocks, c.spent = v.e.At, ev.Clocks, ev.Spent
		v.saved[ev.Phase] = c
	}
}
