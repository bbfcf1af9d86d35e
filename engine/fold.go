package engine

import (
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// Fold takes a journaled event into the state. Folding the same events in the
// same order always gives the same state.
func (s *State) Fold(rb *runbook.Runbook, ev Event, at time.Time) {
	s.alarm(rb, ev, at)
	switch ev := ev.(type) {
	case Created:
		s.Name, s.Digest, s.Actor, s.Started = ev.Name, ev.Digest, ev.Actor, at
	case Amended:
		s.amended(rb, ev)
	case Acquired:
		s.acquired(ev, at)
	case PhaseStarted:
		p := s.ownPhase(ev.Phase)
		*p = Phase{Stage: Requiring, Attempt: ev.Attempt, Since: at, Asked: at}
	case PhaseReady:
		s.enter(ev.Phase, Stepping, at)
		s.lookAgain()
	case PhaseDone:
		s.enter(ev.Phase, Done, at)
		s.PhaseIndex++
		if s.PhaseIndex == len(rb.Phases) {
			s.lookAgain()
		}
	case VerifyStarted, VerifyPassed, VerifyFailed:
		s.foldVerify(ev, at)
	case GateOpened, GateHeld, GatePassed, GateExpired:
		s.foldGate(ev, at)
	case CheckTurned:
		s.turned[ev.Check] = ev.Reading.Verdict
		s.see(rb, ev.Check, ev.Reading)
	case GuardTripped:
		g := s.ownGuard(ev.Guard)
		g.Tripped = true
		if runbook.Response(ev.Do) == runbook.Rollback {
			s.ask(rb, Request{Target: ev.To, Why: guardWhy(ev), By: "guard:" + ev.Guard})
		}
	case GuardQuiet:
		*s.ownGuard(ev.Guard) = Guard{}
	case Paused:
		s.Status = PausedStatus
		s.Pause = &Pause{Why: ev.Why, By: ev.By, Next: ev.Next, Since: at}
		if s.request != nil && s.request.By == ev.By {
			s.request = nil // this is its answer: there was nothing to undo
		}
		s.unseen = ""
		s.freeze()
	case Resumed:
		s.resume(rb, at)
	case SignalTaken:
		s.Inbox = ev.Message
		s.take(rb, ev.Signal, at)
	case SignalRefused:
		s.Inbox = ev.Message
	case Escalated:
		if s.Alert != nil {
			s.Alert.Rungs, s.Alert.Told = ev.Rung+1, at
		}
	case Completed:
		s.Status, s.Ended, s.Pause = CompletedStatus, at, nil
	case Aborted:
		s.Status, s.Ended, s.Pause = AbortedStatus, at, nil
	case RolledBack:
		s.Status, s.Ended, s.Pause = RolledBackStatus, at, nil
	case RollbackStarted, UndoIntent, UndoDone, UndoFailed, UndoHeld, UndoMerged, Witnessed, RollbackEnded:
		s.foldRollback(rb, ev, at)
	default:
		s.foldStep(rb, ev, at)
	}
}

func (s *State) acquired(ev Acquired, at time.Time) {
	s.Holder, s.Epoch, s.since = ev.Holder, ev.Epoch, at
	for _, st := range s.Steps {
		if st.Stage == Applying {
			st.Uncertain = true
		}
		// An effect of a dead process is waited out by its successor; it can
		// be looked at and undone like any other.
		st.Lost = false
	}
	s.observed = map[string]Observed{}
	s.lookAgain()
	s.freeze()
}

func (s *State) enter(phase string, stage Stage, at time.Time) {
	p := s.ownPhase(phase)
	p.Stage, p.Since = stage, at
}

func (s *State) foldStep(rb *runbook.Runbook, ev Event, at time.Time) {
	switch ev := ev.(type) {
	case StepIntent:
		st := s.ownStep(ev.Step)
		if !st.Intended {
			st.Before, st.SealBefore = ev.Before, ev.Seal
			s.Order = append(s.Order, ev.Step)
		}
		st.Want, st.SealWant = ev.Want, ev.Seal
		st.Stage, st.Since, st.Attempt, st.Intended = Applying, at, ev.Attempt, true
		st.Resume = st.Cursor != nil
		st.Uncertain, st.Retry, st.Accept, st.Adrift, st.Error = false, false, false, false, ""
		s.Drift = nil
		delete(s.observed, ev.Step)
	case StepCursor:
		s.ownStep(ev.Step).Cursor = ev.Cursor
	case StepProgress:
		s.ownStep(ev.Step).Progress = &Progress{ev, at}
	case StepDone:
		st := s.ownStep(ev.Step)
		st.Stage, st.Since, st.After, st.Changed = Done, at, ev.After, ev.Changed
		st.Uncertain, st.Retry, st.Adrift, st.Lost, st.Verified, st.Error = false, false, false, false, false, ""
		s.Left = s.Left.With(ev.After)
		s.Drift = nil
		delete(s.observed, ev.Step)
		if def, ok := rb.Step(ev.Step); ok && def.NoReturn {
			s.Floor = ev.Step
		}
	case StepFailed:
		st := s.ownStep(ev.Step)
		st.FailedAt = st.Stage
		st.Stage, st.Since, st.Error = Failed, at, ev.Error
		st.Uncertain, st.Retry, st.Lost = false, false, false
		delete(s.observed, ev.Step)
	case StepIndeterminate:
		st := s.ownStep(ev.Step)
		st.Lost = true
		const lost = "it ignored its cancellation: what it still does is not known"
		if r := s.Rollback; r != nil && s.Status == RollingBack {
			r.Undo = s.lostLast(r.Undo)
			if ev.Undo {
				r.Failed[ev.Step] = "its undo: " + lost
			}
		}
		if !ev.Undo {
			st.Stage, st.Error = Failed, lost
		}
	case Compared:
		s.compare, s.alike = false, false
	case DriftFound:
		s.Drift, s.adrift = ev.Changes, nil
		if ev.Step == "" {
			s.compare = false
		}
		if ev.Step != "" {
			st := s.ownStep(ev.Step)
			st.Adrift = true
			st.Retry = false
			if ev.Between {
				st.Uncertain = true
			}
			delete(s.observed, ev.Step)
		}
	}
}

func (s *State) foldVerify(ev Event, at time.Time) {
	switch ev := ev.(type) {
	case VerifyStarted:
		s.verify[ev.Of] = at
	case VerifyPassed:
		delete(s.verify, ev.Of)
		if st, ok := s.Steps[ev.Of]; ok {
			st.Verified = true
		} else {
			s.ownPhase(ev.Of).Verified = true
		}
	case VerifyFailed:
		delete(s.verify, ev.Of)
	}
}

func (s *State) foldGate(ev Event, at time.Time) {
	switch ev := ev.(type) {
	case GateOpened:
		p := s.ownPhase(ev.Phase)
		p.Stage, p.Since, p.Clocks, p.Spent, p.ticked, p.saved = Gating, at, map[string]evidence.Hold{}, 0, at, at
	case GateHeld:
		p := s.ownPhase(ev.Phase)
		p.Clocks, p.Spent, p.ticked, p.saved = copyClocks(ev.Clocks), ev.Spent, at, at
	case GatePassed:
		p := s.ownPhase(ev.Phase)
		p.Clocks, p.ticked = copyClocks(ev.Clocks), time.Time{}
		p.Stage = Done
	case GateExpired:
		s.ownPhase(ev.Phase).Expired = true
	}
}

func copyClocks(m map[string]evidence.Hold) map[string]evidence.Hold {
	out := make(map[string]evidence.Hold, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// freeze stops every clock that a pause or a restart must not feed.
func (s *State) freeze() {
	for _, p := range s.Phases {
		for name, c := range p.Clocks {
			p.Clocks[name] = c.Freeze()
		}
		p.ticked = time.Time{}
	}
	for of := range s.verify {
		s.verify[of] = time.Time{}
	}
}

// ask takes a request for a rollback; of two, the one that goes back further.
func (s *State) ask(rb *runbook.Runbook, req Request) {
	if s.request == nil || s.depth(rb, req) < s.depth(rb, *s.request) {
		s.request = &req
	}
}

// depth orders requests: to the start, then to the start of each phase.
func (s *State) depth(rb *runbook.Runbook, req Request) int {
	index, start, err := resolveTarget(rb, s, req.Target)
	if start || err != nil {
		return -1
	}
	return index
}

func (s *State) resume(rb *runbook.Runbook, at time.Time) {
	if s.Status == PausedStatus {
		s.Status = Running
	}
	s.Pause, s.since = nil, at
	for _, g := range rb.Guards {
		// What has rolled back, or could not, watches the new attempt like the
		// first one; one that only stops is overruled until its check passes.
		if gs := s.Guards[g.Name]; gs != nil && gs.Tripped && (g.Do == runbook.Rollback || g.Then == runbook.Rollback) {
			s.Guards[g.Name] = &Guard{}
		}
	}
	for _, p := range s.Phases {
		if p.Stage == Requiring {
			p.Asked = at
		}
		if p.Expired {
			p.Expired, p.Spent = false, 0
		}
	}
}

func (s *State) take(rb *runbook.Runbook, sig Signal, at time.Time) {
	s.acknowledge(sig, at)
	switch sig.Kind {
	case SignalApprove, SignalAttest:
		s.Given = append(s.Given, Given{Kind: sig.Kind, Of: sig.Of, Actor: sig.Actor, Role: sig.Role, Signed: sig.Signature != ""})
		for _, p := range s.Phases {
			if p.Stage == Requiring {
				p.Asked = at
			}
		}
	case SignalRetry:
		s.retry(rb, sig)
		s.resume(rb, at)
	case SignalResume:
		s.resume(rb, at)
	case SignalSkip:
		st := s.ownStep(sig.Of)
		st.Stage, st.Since = Skipped, at
		delete(s.observed, sig.Of)
		if s.Pause != nil && (s.Pause.By == "step:"+sig.Of || s.Pause.By == "drift") {
			s.resume(rb, at)
		}
	case SignalPause:
		s.Status = PausedStatus
		s.Pause = &Pause{Why: "paused by " + sig.Actor, By: sig.Actor, Next: "segue resume", Since: at}
		s.freeze()
	case SignalRollback:
		why := sig.Note
		if why == "" {
			why = "asked for by " + sig.Actor
		}
		s.ask(rb, Request{Target: orStart(sig.Of), Why: why, By: sig.Actor})
	case SignalAbort:
		s.abort = sig.Actor
	case SignalLate:
		s.late++
		s.ended(sig.Of)
		s.lookAgain()
	}
}

// rollbackFailed reports whether the run rests on a rollback that failed.
func (s *State) rollbackFailed() bool {
	r := s.Rollback
	return r != nil && r.Ended != nil && r.Ended.Result == RolledFail && s.Pause != nil && s.Pause.By == "rollback"
}

// ended: an effect that had been given up has ended after all. A rollback that
// has undone the step already undoes it again.
func (s *State) ended(step string) {
	st, ok := s.Steps[step]
	if !ok || !st.Lost {
		return
	}
	st.Lost = false
	if r := s.Rollback; s.Status == RollingBack {
		delete(r.Done, step)
		delete(r.Seen, step)
		delete(r.Failed, step)
		st.Stage = Failed
	}
}

func (s *State) retry(rb *runbook.Runbook, sig Signal) {
	if r := s.Rollback; s.rollbackFailed() {
		s.ask(rb, Request{Target: r.Target, Why: r.Why + " (again)", By: sig.Actor})
		return
	}
	for _, st := range s.Steps {
		if st.Stage == Failed && !st.Lost || st.Adrift {
			if st.Stage == Failed {
				st.Stage = Pending
			}
			st.Retry, st.Error, st.Tries = true, "", 0
			st.Adrift, st.Accept = false, sig.AcceptDrift
		}
	}
	if sig.AcceptDrift {
		for _, c := range s.Drift {
			if s.Left[c.Resource] != nil && c.To != nil {
				s.Left = s.Left.With(state.Face{c.Resource: {c.Field: c.To}})
			}
		}
	}
	s.Drift = nil
	s.lookAgain()
	s.observed = map[string]Observed{}
}

// Note takes a volatile observation into the state.
func (s *State) Note(o Observed) { s.observed[o.Step] = o }

// NoteReading takes a reading of a check into the state. A reading that is not
// newer than the last one is dropped.
func (s *State) NoteReading(rb *runbook.Runbook, check string, r evidence.Reading) {
	s.see(rb, check, r)
}

func (s *State) see(rb *runbook.Runbook, check string, r evidence.Reading) {
	c := s.Checks[check]
	if c == nil {
		c = &Check{Since: r.At}
		s.Checks[check] = c
	} else if !r.At.After(c.Reading.At) {
		return
	}
	if c.Reading.Verdict != r.Verdict {
		c.Since = r.At
	}
	c.Reading = r
	for _, g := range rb.Guards {
		if g.Check == check {
			gs := s.ownGuard(g.Name)
			gs.Alarm = gs.Alarm.Next(r, g.Every)
		}
	}
	if p, ok := s.PhaseOf(rb); ok && p.Gate != nil && s.Status == Running {
		ph := s.ownPhase(p.Name)
		if ph.Stage == Gating && ph.Clocks != nil && r.At.After(ph.Since) {
			for _, name := range p.Gate.Hold {
				if name == check {
					ph.Clocks[check] = ph.Clocks[check].Next(r, p.Gate.Every, p.Gate.MaxGap)
				}
			}
		}
	}
}
