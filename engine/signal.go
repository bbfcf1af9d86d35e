package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/runbook"
)

// SignalKind is what a person tells a run.
type SignalKind string

const (
	SignalApprove  SignalKind = "approve"
	SignalAttest   SignalKind = "attest"
	SignalPause    SignalKind = "pause"
	SignalResume   SignalKind = "resume"
	SignalRetry    SignalKind = "retry"
	SignalSkip     SignalKind = "skip"
	SignalRollback SignalKind = "rollback"
	SignalAbort    SignalKind = "abort"
	// SignalAck says that somebody sees to what is wrong: the escalation ends.
	SignalAck SignalKind = "ack"
	// SignalAmend gives the run another text of its runbook, for phases that
	// have not started.
	SignalAmend SignalKind = "amend"
	// SignalLate comes from a process that lost its lease and found an effect
	// of its own still going: the world must be looked at again.
	SignalLate SignalKind = "late"
)

// A Signal is what a person tells a run, through its inbox.
type Signal struct {
	Kind  SignalKind `json:"kind"`
	Actor string     `json:"actor"`
	Role  string     `json:"role,omitempty"` // approve, attest
	// Of is what it is about: a phase or step ID (approve, skip), the
	// attested text (attest), a rollback target.
	Of   string `json:"of,omitempty"`
	Note string `json:"note,omitempty"`
	// AcceptDrift takes the found values as they are (retry).
	AcceptDrift bool `json:"accept_drift,omitempty"`
	// Text and Settings are an amendment's runbook and inputs.
	Text     string   `json:"text,omitempty"`
	Settings []string `json:"settings,omitempty"`
	// Digest is the runbook that an approver has seen. Key and Signature sign
	// [Signal.Message] (ed25519, base64); a point of no return needs them.
	Digest    string `json:"digest,omitempty"`
	Key       string `json:"key,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// Message is what a signature signs.
func (s Signal) Message(run string) []byte {
	return []byte(strings.Join([]string{"segue-signal-v1", run, string(s.Kind), s.Actor, s.Role, s.Of, s.Digest}, "\n"))
}

// Given is an approval or attestation that a run has taken.
type Given struct {
	Kind   SignalKind `json:"kind"`
	Of     string     `json:"of"`
	Actor  string     `json:"actor"`
	Role   string     `json:"role,omitempty"`
	Signed bool       `json:"signed,omitempty"`
}

// Judge says what becomes of a signal: a SignalTaken, or a SignalRefused with
// the reason. signed reports whether the signal's signature was verified.
func (s *State) Judge(rb *runbook.Runbook, message int64, sig Signal, signed bool) Event {
	if reason := s.refuse(rb, sig, signed); reason != "" {
		return SignalRefused{Message: message, Signal: sig, Reason: reason}
	}
	if !signed {
		sig.Signature = ""
	}
	if sig.Kind == SignalApprove && sig.Of == "" {
		sig.Of = s.AwaitingApproval(rb)
	}
	return SignalTaken{Message: message, Signal: sig}
}

func (s *State) refuse(rb *runbook.Runbook, sig Signal, signed bool) string {
	if s.Status.Final() {
		return fmt.Sprintf("the run is over (%s)", s.Status)
	}
	if s.held() && sig.Kind != SignalAck && sig.Kind != SignalAbort && sig.Kind != SignalLate {
		return "the run is back at its start, and over as soon as somebody acknowledges: segue ack"
	}
	switch sig.Kind {
	case SignalApprove:
		return s.refuseApproval(rb, sig, signed)
	case SignalAttest:
		return s.refuseAttest(rb, sig)
	case SignalPause:
		if s.Status == RollingBack {
			return "a rollback cannot be paused; abort stops it"
		}
		if s.Status == PausedStatus {
			return "the run is paused already: " + s.Pause.Why
		}
	case SignalResume:
		if s.Status != PausedStatus {
			return "the run is not paused"
		}
		if s.rollbackFailed() {
			return "the rollback failed: retry it, or abort"
		}
		if step := s.failedStep(); step != "" {
			return fmt.Sprintf("step %s has failed: retry, skip or rollback", step)
		}
	case SignalRetry:
		if s.Status != PausedStatus {
			return "nothing has failed: there is nothing to retry"
		}
	case SignalSkip:
		return s.refuseSkip(rb, sig)
	case SignalRollback:
		if s.Status == RollingBack {
			return "a rollback is under way"
		}
		if _, _, err := resolveTarget(rb, s, orStart(sig.Of)); err != nil {
			return err.Error()
		}
	case SignalAck:
		return s.refuseAck(rb)
	case SignalAbort, SignalLate, SignalAmend:
	default:
		return fmt.Sprintf("no signal is called %q", sig.Kind)
	}
	return ""
}

func orStart(target string) string {
	if target == "" {
		return runbook.ToStart
	}
	return target
}

// AwaitingApproval is the phase or step that waits for an approval, "" if none.
func (s *State) AwaitingApproval(rb *runbook.Runbook) string {
	if s.PhaseIndex >= len(rb.Phases) {
		return ""
	}
	p := rb.Phases[s.PhaseIndex]
	ph := s.phase(p.Name)
	if ph.Stage == Pending || ph.Stage == Requiring {
		if p.Approve != nil {
			return p.Name
		}
		return ""
	}
	for _, step := range p.Steps {
		st := s.step(step.ID)
		if st.Settled() {
			continue
		}
		if step.Approve != nil || step.NoReturn {
			return step.ID
		}
		return ""
	}
	return ""
}

func approvalOf(rb *runbook.Runbook, of string) (a *runbook.Approval, noReturn bool) {
	if i := rb.Phase(of); i >= 0 {
		return rb.Phases[i].Approve, false
	}
	if step, ok := rb.Step(of); ok {
		if step.NoReturn && step.Approve == nil {
			return &runbook.Approval{Count: 1}, true
		}
		return step.Approve, step.NoReturn
	}
	return nil, false
}

func (s *State) refuseApproval(rb *runbook.Runbook, sig Signal, signed bool) string {
	of := sig.Of
	if of == "" {
		if of = s.AwaitingApproval(rb); of == "" {
			return "nothing waits for an approval"
		}
	}
	a, noReturn := approvalOf(rb, of)
	if a == nil {
		return fmt.Sprintf("%q asks for no approval", of)
	}
	if noReturn && !signed {
		return fmt.Sprintf("%q is a point of no return: its approval must be signed", of)
	}
	if noReturn && (sig.Of == "" || sig.Digest == "") {
		return fmt.Sprintf("%q is a point of no return: what is signed must name it, and the runbook's digest", of)
	}
	if sig.Digest != "" && sig.Digest != rb.Digest() {
		return "the approval is for another text of the runbook"
	}
	if len(a.Roles) > 0 && !slices.Contains(a.Roles, sig.Role) {
		return fmt.Sprintf("%q asks for the roles %s, not %q", of, strings.Join(a.Roles, ", "), sig.Role)
	}
	if reason := claimsRole(rb, sig); reason != "" {
		return reason
	}
	if a.NotByActor && sig.Actor == s.Actor {
		return fmt.Sprintf("%s started this run and may not approve %q", sig.Actor, of)
	}
	return ""
}

func claimsRole(rb *runbook.Runbook, sig Signal) string {
	who, listed := rb.Roles[sig.Role]
	if sig.Role != "" && listed && !slices.Contains(who, sig.Actor) {
		return fmt.Sprintf("%s does not have the role %s (%s)", sig.Actor, sig.Role, strings.Join(who, ", "))
	}
	return ""
}

func (s *State) refuseAttest(rb *runbook.Runbook, sig Signal) string {
	for _, p := range rb.Phases {
		for _, r := range p.Require {
			if r.Attest != "" && r.Attest == sig.Of {
				if r.Role != "" && r.Role != sig.Role {
					return fmt.Sprintf("this is for the role %s to attest, not %q", r.Role, sig.Role)
				}
				return claimsRole(rb, sig)
			}
		}
	}
	return fmt.Sprintf("the runbook asks for no attestation %q", sig.Of)
}

func (s *State) refuseSkip(rb *runbook.Runbook, sig Signal) string {
	step, ok := rb.Step(sig.Of)
	if !ok {
		return fmt.Sprintf("no step is called %q", sig.Of)
	}
	st := s.step(step.ID)
	switch {
	case s.Status == RollingBack && !slices.Contains(s.Rollback.First, step.ID):
		return "a rollback is under way"
	case s.rollbackFailed():
		return "the rollback failed: retry it, or abort"
	case st.Stage == Done:
		return fmt.Sprintf("step %s is done", step.ID)
	case st.Stage == Applying && !st.Uncertain:
		return fmt.Sprintf("step %s is being applied: pause or roll back", step.ID)
	}
	in := phaseOf(rb, step.ID)
	for _, p := range rb.Phases {
		for _, other := range p.Steps {
			if slices.Contains(other.Needs, step.ID) {
				return fmt.Sprintf("step %s needs it", other.ID)
			}
		}
		if in >= 0 && slices.Contains(p.Needs, rb.Phases[in].Name) {
			return fmt.Sprintf("phase %s needs phase %s whole", p.Name, rb.Phases[in].Name)
		}
	}
	return ""
}
