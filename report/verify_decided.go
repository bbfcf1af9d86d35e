package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
)

// decided asks the engine whether it says the event in this state.
func (v *verifier) decided() {
	v.note()
	d := engine.Decide(v.rb, v.s, v.e.At)
	for _, e := range d.Run {
		if e.Do == engine.DoSurvey {
			// The world was compared with what the run left, and was as it
			// should be: else the journal would speak of drift.
			v.s.NoteSurvey(engine.Surveyed{Key: e.ID})
			d = engine.Decide(v.rb, v.s, v.e.At)
		}
	}
	for i, ev := range d.Append {
		if same(ev, v.e.Event) {
			v.promised = d.Append[i+1:]
			return
		}
	}
	v.find("it does not follow: %s", v.instead(d))
}

// note tells the state what the event says that was seen.
func (v *verifier) note() {
	switch ev := v.e.Event.(type) {
	case engine.PhaseReady:
		v.read(ev.Readings)
	case engine.VerifyPassed:
		v.read(ev.Readings)
	case engine.VerifyFailed:
		v.read(ev.Readings)
	case engine.RollbackEnded:
		v.read(ev.Readings)
	case engine.StepIntent:
		o := engine.Observed{Step: ev.Step, Before: ev.Before, Want: ev.Want, Seal: ev.Seal}
		if st := v.s.Steps[ev.Step]; st != nil && st.Uncertain {
			o.Settled = true
		}
		v.s.Note(o)
	}
}

func (v *verifier) read(readings map[string]evidence.Reading) {
	for _, name := range slices.Sorted(maps.Keys(readings)) {
		v.s.NoteReading(v.rb, name, readings[name])
	}
}

// instead says what the engine would have said or waited for.
func (v *verifier) instead(d engine.Decision) string {
	if len(d.Append) > 0 {
		return "what follows is that " + Sentence(d.Append[0])
	}
	if len(d.Waits) > 0 {
		return "the run waits for " + WaitLine(d.Waits[0])
	}
	return "nothing follows here"
}

// same reports whether two events say the same, as far as an event that was
// decided again can: figures, which rest on readings that only a note told,
// are left out.
func same(a, b engine.Event) bool {
	if a.Type() != b.Type() {
		return false
	}
	return bytes.Equal(essence(a), essence(b))
}

func essence(ev engine.Event) []byte {
	switch e := ev.(type) {
	case engine.PhaseReady:
		e.Readings = nil
		ev = e
	case engine.VerifyPassed:
		e.Readings = nil
		ev = e
	case engine.VerifyFailed:
		e.Readings = nil
		ev = e
	case engine.GatePassed:
		e.Readings, e.Clocks = nil, nil
		ev = e
	case engine.GateExpired:
		e.Readings = nil
		ev = e
	case engine.GuardTripped:
		e.Reading, e.For = evidence.Reading{}, 0
		ev = e
	case engine.RollbackEnded:
		e.Readings, e.Why = nil, nil
		ev = e
	case engine.Paused:
		e.Why = "" // it may tell figures
		ev = e
	case engine.RollbackStarted:
		e.Why = ""
		ev = e
	case engine.StepIntent:
		e.Diff = nil
		ev = e
	}
	raw, err := json.Marshal(ev)
	if err != nil {
		return nil
	}
	return raw
}
