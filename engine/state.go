package engine

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// Status is what a run is doing as a whole.
type Status string

const (
	Running          Status = "running"
	PausedStatus     Status = "paused"
	RollingBack      Status = "rolling-back"
	CompletedStatus  Status = "completed"
	RolledBackStatus Status = "rolled-back"
	AbortedStatus    Status = "aborted"
)

// Final reports whether nothing can happen to the run any more.
func (s Status) Final() bool {
	return s == CompletedStatus || s == RolledBackStatus || s == AbortedStatus
}

// Stage is how far a phase or a step is.
type Stage string

const (
	Pending   Stage = "pending"
	Requiring Stage = "requiring" // phase: requirements, attestations, approvals
	Stepping  Stage = "stepping"  // phase: its steps run
	Applying  Stage = "applying"  // step: intent journaled, no outcome
	Failed    Stage = "failed"    // step
	Verifying Stage = "verifying"
	Gating    Stage = "gating" // phase
	Done      Stage = "done"
	Skipped   Stage = "skipped" // step
	Undoing   Stage = "undoing" // step
	Undone    Stage = "undone"  // step
)

// Phase is where a phase of the run is.
type Phase struct {
	Stage   Stage     `json:"stage"`
	Attempt int       `json:"attempt"`
	Since   time.Time `json:"since,omitzero"` // of the stage
	// Asked is when the requirements were last looked at anew (the start, or
	// the last attestation, approval or retry).
	Asked time.Time `json:"asked,omitzero"`
	// Clocks of the gate's checks, and the time spent of its deadline up to
	// Ticked; pauses do not count.
	Clocks   map[string]evidence.Hold `json:"clocks,omitempty"`
	Spent    time.Duration            `json:"spent,omitempty"`
	ticked   time.Time
	saved    time.Time // of the last checkpoint
	Expired  bool      `json:"expired,omitempty"`
	Verified bool      `json:"verified,omitempty"`
}

// Step is where a step of the run is.
type Step struct {
	Stage    Stage      `json:"stage"`
	Attempt  int        `json:"attempt"`
	Since    time.Time  `json:"since,omitzero"`
	Intended bool       `json:"intended,omitempty"` // Before and Want are there; it may have changed the world
	Before   state.Face `json:"before,omitempty"`
	Want     state.Face `json:"want,omitempty"`
	After    state.Face `json:"after,omitempty"`
	// SealBefore and SealWant name the sealed faces, "" where there is no
	// secret in them.
	SealBefore string          `json:"seal_before,omitempty"`
	SealWant   string          `json:"seal_want,omitempty"`
	Cursor     json.RawMessage `json:"cursor,omitempty"`
	Resume     bool            `json:"resume,omitempty"` // this attempt goes on from the cursor
	Changed    bool            `json:"changed,omitempty"`
	Uncertain  bool            `json:"uncertain,omitempty"` // intent without outcome from an earlier epoch
	Verified   bool            `json:"verified,omitempty"`
	Retry      bool            `json:"retry,omitempty"`  // a person asked for another attempt
	Accept     bool            `json:"accept,omitempty"` // and takes drift as it is
	Adrift     bool            `json:"adrift,omitempty"`
	Lost       bool            `json:"lost,omitempty"` // its effect ignored cancellation
	Error      string          `json:"error,omitempty"`
	FailedAt   Stage           `json:"failed_at,omitempty"`
	Tries      int             `json:"tries,omitempty"` // of the undo
	NextTry    time.Time       `json:"next_try,omitzero"`
	Kept       *Kept           `json:"kept,omitempty"`
	First      bool            `json:"first,omitempty"` // a target's first step
	Progress   *Progress       `json:"progress,omitempty"`
}

// Progress is how far a step's work had come at a time.
type Progress struct {
	StepProgress
	At time.Time `json:"at"`
}

// Settled reports whether going forward has nothing more to do for the step.
func (s *Step) Settled() bool { return s.Stage == Done || s.Stage == Skipped }

// Check is what is known of a watched check.
type Check struct {
	Reading evidence.Reading `json:"reading"`
	Since   time.Time        `json:"since"` // of the verdict
}

// Guard is what is known of a guard.
type Guard struct {
	Alarm   evidence.Alarm `json:"alarm"`
	Tripped bool           `json:"tripped,omitempty"`
}

// Pause is why nothing new starts.
type Pause struct {
	Why   string    `json:"why"`
	By    string    `json:"by,omitempty"`
	Next  string    `json:"next,omitempty"`
	Since time.Time `json:"since"`
}

// Rollback is a rollback that is under way, or the last one.
type Rollback struct {
	RollbackStarted
	At        time.Time            `json:"at"`
	Verifying bool                 `json:"verifying,omitempty"`
	Since     time.Time            `json:"since,omitzero"` // of the verification
	Done      map[string]UndoDone  `json:"done,omitempty"`
	Failed    map[string]string    `json:"failed,omitempty"` // step → error; held ones too
	Seen      map[string]Witnessed `json:"seen,omitempty"`
	Final     state.Face           `json:"final,omitempty"` // what the undone steps should have left
	Ended     *RollbackEnded       `json:"ended,omitempty"`
	EndedAt   time.Time            `json:"ended_at,omitzero"`
}

// Request is a rollback that is to start.
type Request struct {
	Target, Why, By string
}

// State is a run: the fold of its events, and what was noted since. Make it
// with New.
type State struct {
	Name       string    `json:"name"`
	Digest     string    `json:"digest"`
	Actor      string    `json:"actor"`
	Holder     string    `json:"holder,omitempty"`
	Epoch      int64     `json:"epoch"`
	Started    time.Time `json:"started"`
	Ended      time.Time `json:"ended,omitzero"`
	Status     Status    `json:"status"`
	Pause      *Pause    `json:"pause,omitempty"`
	PhaseIndex int       `json:"phase_index"`

	Phases map[string]*Phase `json:"phases"`
	Steps  map[string]*Step  `json:"steps"`
	Order  []string          `json:"order,omitempty"` // steps in the order of their first intents
	Checks map[string]*Check `json:"checks,omitempty"`
	Guards map[string]*Guard `json:"guards,omitempty"`
	Given  []Given           `json:"given,omitempty"`
	Drift  []state.Change    `json:"drift,omitempty"` // what the run stopped on
	Left   state.Face        `json:"left,omitempty"`  // what the last journaled steps left, per field
	Floor  string            `json:"floor,omitempty"` // the last point of no return passed

	Rollback *Rollback `json:"rollback,omitempty"`
	Alert    *Alert    `json:"alert,omitempty"`
	Inbox    int64     `json:"inbox"` // the last message taken or refused

	verify   map[string]time.Time // "step id" or "phase name" → started
	request  *Request             // a rollback that is to start
	abort    string               // who asked for it
	observed map[string]Observed  // notes: steps just looked at
	compare  bool                 // the world is to be compared with what the run left
	alike    bool                 // note: the survey found nothing amiss
	adrift   []state.Change       // note: what the survey found
	unseen   string               // note: why there was no survey
	late     int                  // late effects reported
	turned   map[string]evidence.Verdict
	since    time.Time // guards go by what was seen from then on
}

// New is the state of a run before its first event.
func New() *State {
	return &State{
		Status: Running,
		Phases: map[string]*Phase{}, Steps: map[string]*Step{},
		Checks: map[string]*Check{}, Guards: map[string]*Guard{},
		Left: state.Face{}, verify: map[string]time.Time{}, observed: map[string]Observed{},
		turned: map[string]evidence.Verdict{},
	}
}

// Observed is a note: what a step's action sees of the world, and what it
// would make of it.
type Observed struct {
	Step   string
	Before state.Face
	Want   state.Face
	Seal   string // names the sealed faces; "" when there are no secrets
	// Settled says that the world was watched until it no longer moved, as is
	// due after a crash.
	Settled bool
}

// Surveyed is a note: what the steps that are done see of the world now.
type Surveyed struct {
	Key    string
	Faces  map[string]state.Face
	Unseen map[string]string // step → why the world did not answer
}

// step, phase and guard are for looking: what is not there yet is as new.
func (s *State) step(id string) *Step {
	if st := s.Steps[id]; st != nil {
		return st
	}
	return &Step{Stage: Pending}
}

func (s *State) phase(name string) *Phase {
	if p := s.Phases[name]; p != nil {
		return p
	}
	return &Phase{Stage: Pending}
}

func (s *State) guard(name string) *Guard {
	if g := s.Guards[name]; g != nil {
		return g
	}
	return &Guard{}
}

// ownStep, ownPhase and ownGuard are for folding.
func (s *State) ownStep(id string) *Step {
	st := s.step(id)
	s.Steps[id] = st
	return st
}

func (s *State) ownPhase(name string) *Phase {
	p := s.phase(name)
	s.Phases[name] = p
	return p
}

func (s *State) ownGuard(name string) *Guard {
	g := s.guard(name)
	s.Guards[name] = g
	return g
}

func (s *State) failedStep() string {
	for _, id := range s.Order {
		if s.Steps[id].Stage == Failed {
			return id
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Steps)) {
		// What restores service at a rollback is no step of the way forward.
		if st := s.Steps[id]; st.Stage == Failed && !st.First {
			return id
		}
	}
	return ""
}

// PhaseOf is the phase the run is in, false when it is past the last.
func (s *State) PhaseOf(rb *runbook.Runbook) (runbook.Phase, bool) {
	if s.PhaseIndex < len(rb.Phases) {
		return rb.Phases[s.PhaseIndex], true
	}
	return runbook.Phase{}, false
}
