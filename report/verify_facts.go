package report

import (
	"slices"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/runner"
	"github.com/segue-run/segue/state"
)

// signal asks whether the signal was to be taken, and whether a signature that
// it bears is its key's.
func (v *verifier) signal(message int64, sig engine.Signal, taken bool) {
	signed := runner.Signed(v.h.Run, sig)
	if taken && sig.Signature != "" && !signed {
		v.find("the signature of %s's %s is not that of its key", sig.Actor, sig.Kind)
	}
	if message < v.s.Inbox || message == v.s.Inbox && sig.Kind != engine.SignalLate {
		v.find("message %d comes after message %d", message, v.s.Inbox)
	}
	judged := v.s.Judge(v.rb, message, sig, signed)
	refused, no := judged.(engine.SignalRefused)
	switch {
	case taken && no:
		v.find("%s by %s was taken and should have been refused: %s", sig.Kind, sig.Actor, refused.Reason)
	case !taken && !no:
		v.find("%s by %s was refused and should have been taken", sig.Kind, sig.Actor)
	}
}

// guard asks whether the guard had cause.
func (v *verifier) guard(ev engine.GuardTripped) {
	i := slices.IndexFunc(v.rb.Guards, func(g runbook.Guard) bool { return g.Name == ev.Guard })
	if i < 0 {
		v.find("the runbook has no guard %s", ev.Guard)
		return
	}
	g := v.rb.Guards[i]
	do, least := g.Do, g.FailsFor
	if ev.Unknown {
		do, least = g.Then, g.UnknownFor
	}
	to := ""
	if do == runbook.Rollback {
		if to = g.To; to == "" {
			to = runbook.ToPhase
		}
	}
	if ev.Do != string(do) || ev.To != to {
		v.find("guard %s does %s %s, not %s %s", ev.Guard, do, to, ev.Do, ev.To)
	}
	if ev.For < least {
		v.find("guard %s fires after %s, not after %s", ev.Guard, least, ev.For)
	}
	if ev.Reading.Verdict == evidence.Pass {
		v.find("guard %s fired on a reading that passes", ev.Guard)
	}
}

// gate holds a gate's clocks against the time that there was, and what it
// opened on against what it had to.
func (v *verifier) gate(ev engine.Event) {
	switch ev := ev.(type) {
	case engine.GateHeld:
		v.clocks(ev.Phase, ev.Clocks)
	case engine.GatePassed:
		v.clocks(ev.Phase, ev.Clocks)
		v.passed(ev)
	case engine.GateExpired:
		g := gateOf(v.rb, ev.Phase)
		c := v.saved[ev.Phase]
		if g == nil || g.Deadline <= 0 || c.spent+v.e.At.Sub(c.at) < g.Deadline {
			v.find("the deadline of the gate of phase %s had not come", ev.Phase)
		}
	}
}

func (v *verifier) passed(ev engine.GatePassed) {
	g := gateOf(v.rb, ev.Phase)
	if g == nil {
		return
	}
	for _, name := range g.Hold {
		clock, r := ev.Clocks[name], ev.Readings[name]
		switch {
		case clock.Held < g.For:
			v.find("the gate of phase %s opened although %s had held for %s of %s", ev.Phase, name, clock.Held, g.For)
		case clock.Passes == 0 || r.Verdict != evidence.Pass:
			v.find("the gate of phase %s opened although %s was %s", ev.Phase, name, r.Verdict)
		case r.Tally != nil && (clock.Soak == nil || r.Tally.Claim.After(clock.Soak.Restarts).Verdict(clock.Soak.Counts) != evidence.Pass):
			v.find("the gate of phase %s opened although %s did not have the evidence for %s", ev.Phase, name, r.Tally.Claim)
		}
	}
	if ph := v.s.Phases[ev.Phase]; v.s.Status != engine.Running || ph == nil || ph.Stage != engine.Gating {
		v.find("the gate of phase %s opened while the run was not waiting at it", ev.Phase)
	}
}

// clocks asks whether the clocks can have gone on so far.
func (v *verifier) clocks(phase string, clocks map[string]evidence.Hold) {
	g := gateOf(v.rb, phase)
	c, open := v.saved[phase]
	if g == nil || !open {
		v.find("phase %s has no gate that is open", phase)
		return
	}
	slack := 2*g.Every + time.Second // a reading that came before the checkpoint and was counted after it
	for _, name := range g.Hold {
		whole := func(h evidence.Hold) time.Duration { return h.Held + h.Quiet } // what was quiet may be held now
		grown := whole(clocks[name]) - whole(c.clocks[name])
		if grown > v.e.At.Sub(c.at)+slack || clocks[name].Held > v.e.At.Sub(c.opened)+slack {
			v.find("%s has held for %s more, in %s", name, grown, v.e.At.Sub(c.at))
		}
	}
}

func (v *verifier) begun(step string) {
	if st := v.s.Steps[step]; st == nil || !st.Intended {
		v.find("step %s was not begun", step)
	}
}

// answer asks whether somebody had asked.
func (v *verifier) answer(ev engine.Event) {
	switch ev := ev.(type) {
	case engine.StepDone:
		st := v.s.Steps[ev.Step]
		if st == nil || !st.Intended {
			v.find("step %s is done without ever having been intended", ev.Step)
			return
		}
		if d := short(st.Want, ev.After); len(d) > 0 {
			v.find("step %s is said to be done, and left %s", ev.Step, Changes(d))
		}
	case engine.StepCursor:
		v.begun(ev.Step)
	case engine.StepProgress:
		v.begun(ev.Step)
	case engine.UndoDone:
		v.undoing(ev.Step)
	case engine.UndoFailed:
		v.undoing(ev.Step)
	case engine.Witnessed:
		if r := v.s.Rollback; r == nil || !slices.Contains(r.Undo, ev.Step) {
			v.find("the undo of %s was looked at, and it was not to be undone", ev.Step)
		}
	}
}

func (v *verifier) undoing(step string) {
	if st := v.s.Steps[step]; st == nil || st.Stage != engine.Undoing {
		v.find("nobody was undoing step %s", step)
	}
}

// short lists the fields of want that after does not have so.
func short(want, after state.Face) []state.Change {
	part := state.Face{}
	for id, fields := range want {
		for name := range fields {
			if raw, ok := after[id][name]; ok {
				part = part.With(state.Face{id: {name: raw}})
			}
		}
	}
	return state.Diff(want, part)
}
