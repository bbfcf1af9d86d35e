package engine

import (
	"fmt"
	"slices"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// end says how the rollback ended. A run that is all the way back is over, once
// somebody knows of it where the runbook asks for that.
func (s *State) end(rb *runbook.Runbook, ev RollbackEnded, d *Decision) {
	d.say(ev)
	if s.Rollback.over(ev) && s.Unacknowledged(rb) == nil && !rings(rb, ev) {
		d.say(RolledBack{Result: ev.Result})
	}
}

// verdict ends the rollback: failed if anything is not as it was, unverified
// if nothing but the acting eyes say so, else verified.
func (s *State) verdict(v *runbook.Verify, readings map[string]evidence.Reading, all bool) RollbackEnded {
	r := s.Rollback
	end := RollbackEnded{Result: Verified, Readings: readings}
	eyes := v != nil && all && len(v.Checks) > 0
	for _, id := range r.Undo {
		if why, failed := r.Failed[id]; failed {
			end.Result = RolledFail
			end.Why = append(end.Why, id+": "+why)
			end.Left = append(end.Left, id+" is not undone")
		}
		if st := s.step(id); st.Kept != nil {
			end.Left = append(end.Left, fmt.Sprintf("%s: kept %s: %s", id, st.Kept.What, st.Kept.Cost))
			for _, doubt := range st.Kept.Doubts {
				end.Result = worse(end.Result, Unverified)
				end.Why = append(end.Why, id+": "+doubt)
			}
		}
		if s.step(id).Lost {
			end.Result = worse(end.Result, Unverified)
			end.Why = append(end.Why, id+" is undone, but its effect ignored its cancellation and may still change the world")
		}
		seen := r.Seen[id]
		if seen.Error != "" {
			end.Result = RolledFail
			end.Why = append(end.Why, id+": "+seen.Error)
		}
		eyes = eyes || seen.Able && seen.Error == ""
		if diff := s.notRestored(seen.Face); len(diff) > 0 {
			end.Result = RolledFail
			end.Why = append(end.Why, id+" is not as before: "+list(diff))
		}
	}
	for _, id := range r.First {
		if st := s.step(id); st.Stage == Failed {
			end.Why = append(end.Why, fmt.Sprintf("first step %s failed: %s", id, st.Error))
			end.Result = worse(end.Result, Unverified)
		}
	}
	if r.Floor != "" {
		end.Left = append(end.Left, fmt.Sprintf("%s is a point of no return: what came before it stays", r.Floor))
	}
	if v != nil && !all {
		end.Result = worse(end.Result, Unverified)
		for _, name := range v.Checks {
			if rd, ok := readings[name]; ok && rd.Verdict == evidence.Fail {
				end.Result = RolledFail
			}
		}
		end.Why = append(end.Why, describeAll(readings, v.Checks))
	}
	if end.Result == Verified && !eyes && s.changedAny(r.Undo) {
		end.Result = Unverified
		end.Why = append(end.Why, "nothing but the configuration says so: give the phase or target a rollback verification")
	}
	return end
}

// worse is the worse of two results; failed is the worst.
func worse(a, b string) string {
	for _, result := range []string{RolledFail, Unverified} {
		if a == result || b == result {
			return result
		}
	}
	return Verified
}

func (s *State) changedAny(ids []string) bool {
	for _, id := range ids {
		if st := s.step(id); !st.Before.Equal(st.Want) {
			return true
		}
	}
	return false
}

// notRestored lists the fields in face that are not as all the undone steps
// together should have left them, less what was kept on purpose.
func (s *State) notRestored(face state.Face) []state.Change {
	var out []state.Change
	for _, c := range state.Drift(s.Rollback.Final, face) {
		if !s.keptField(c) {
			out = append(out, c)
		}
	}
	return out
}

func (s *State) keptField(c state.Change) bool {
	for _, id := range s.Rollback.Undo {
		k := s.step(id).Kept
		if k == nil {
			continue
		}
		if f := k.Fields[c.Resource]; slices.Contains(f, "*") || slices.Contains(f, c.Field) {
			return true
		}
	}
	return false
}
