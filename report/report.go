package report

import (
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// A Report is what happened in a run, as its journal tells it.
type Report struct {
	Run      string        `json:"run"`
	Name     string        `json:"name"`
	Actor    string        `json:"actor"` // who started it
	Segue    string        `json:"segue,omitempty"`
	Status   engine.Status `json:"status"`
	Why      string        `json:"why,omitempty"` // why it ended so, or why it rests
	Started  time.Time     `json:"started"`
	Ended    time.Time     `json:"ended,omitzero"` // zero while it is not over
	Last     time.Time     `json:"last"`           // of the last event
	Took     Span          `json:"took_s"`         // to the end, or the last event
	Events   int64         `json:"events"`
	Runbooks []Text        `json:"runbooks"` // the pinned one, and its amendments

	Phases    []*Phase    `json:"phases"`
	Steps     []*Step     `json:"steps"`
	Gates     []*Gate     `json:"gates,omitempty"`
	Guards    []*Trip     `json:"guards,omitempty"`
	Signals   []Signal    `json:"signals,omitempty"`
	Pauses    []*Pause    `json:"pauses,omitempty"`
	Rollbacks []*Rollback `json:"rollbacks,omitempty"`
	Drift     []Drift     `json:"drift,omitempty"`
	Processes []*Process  `json:"processes"`
	Checks    []*Check    `json:"checks,omitempty"`
	Notices   []Notice    `json:"notices,omitempty"` // see [Notices]; whoever has the store fills it in
	Left      []Left      `json:"left,omitempty"`
	Timeline  []Moment    `json:"timeline"`
	Findings  []Finding   `json:"findings"` // of Verify; empty when each event follows
}

// A Text is a runbook's text as the run pinned it.
type Text struct {
	At       time.Time `json:"at"`
	Seq      int64     `json:"seq"` // the event that holds it
	By       string    `json:"by"`
	File     string    `json:"file"`
	Digest   string    `json:"digest"`             // sha256 of the text
	Settings []string  `json:"settings,omitempty"` // of its inputs, name=value
	Text     string    `json:"text"`
}

// A Phase, with each time it was tried.
type Phase struct {
	Name     string         `json:"name"`
	Stage    engine.Stage   `json:"stage"`
	Attempts []PhaseAttempt `json:"attempts,omitempty"`
	Took     Span           `json:"took_s"` // all attempts together
}

// A PhaseAttempt has the times at which the phase's stages began.
type PhaseAttempt struct {
	Attempt  int                         `json:"attempt"`
	Started  time.Time                   `json:"started"`
	Ready    time.Time                   `json:"ready,omitzero"` // its requirements held
	Gating   time.Time                   `json:"gating,omitzero"`
	Ended    time.Time                   `json:"ended,omitzero"`
	Outcome  string                      `json:"outcome,omitempty"`  // done, rolled back, both; "" while it goes on
	Readings map[string]evidence.Reading `json:"readings,omitempty"` // that let it start
	Given    []engine.Given              `json:"given,omitempty"`    // approvals and attestations
	Verified map[string]evidence.Reading `json:"verified,omitempty"` // that verified it
}

// A Step, with each time it was tried and undone.
type Step struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Phase    string        `json:"phase,omitempty"` // "" for a target's first step
	Stage    engine.Stage  `json:"stage"`
	Outcome  string        `json:"outcome"` // in words
	Took     Span          `json:"took_s"`  // all attempts together
	Attempts []StepAttempt `json:"attempts,omitempty"`
	Kept     *engine.Kept  `json:"kept,omitempty"` // what its undo left in place
}

// A StepAttempt is one intent and what became of it.
type StepAttempt struct {
	Attempt   int            `json:"attempt"`
	Epoch     int64          `json:"epoch"`
	Started   time.Time      `json:"started"`
	Ended     time.Time      `json:"ended,omitzero"`
	Took      Span           `json:"took_s"`
	Diff      []state.Change `json:"diff,omitempty"` // before → want
	Outcome   string         `json:"outcome"`        // done, nothing to do, failed, …
	Changed   bool           `json:"changed,omitempty"`
	Recovered bool           `json:"recovered,omitempty"` // found done after a crash
	Cursors   int            `json:"cursors,omitempty"`   // checkpoints it saved
	Stage     string         `json:"stage,omitempty"`     // at which it failed
	Error     string         `json:"error,omitempty"`
	Remedy    string         `json:"remedy,omitempty"`
	// Told is what it has counted or seen beside what it was to change.
	Told state.Face `json:"told,omitempty"`
	// Verified are the readings that verified it, or that did not.
	Verified map[string]evidence.Reading `json:"verified,omitempty"`

	want state.Face
}

// A Gate is one opening of a phase's gate and what became of it.
type Gate struct {
	Phase    string    `json:"phase"`
	Attempt  int       `json:"attempt"`
	Opened   time.Time `json:"opened"`
	Ended    time.Time `json:"ended,omitzero"`
	For      Span      `json:"for_s"`
	Every    Span      `json:"every_s"`
	Deadline Span      `json:"deadline_s,omitempty"`
	Spent    Span      `json:"spent_s"` // of the deadline, pauses not counted
	Result   string    `json:"result"`  // passed, expired, left by a rollback, waiting
	Clocks   []Clock   `json:"clocks"`
	Resets   int       `json:"resets,omitempty"` // how often a clock began anew, by the checkpoints
}

// A Clock is how long one check of a gate has held, and its last reading.
type Clock struct {
	Check   string           `json:"check"`
	Held    Span             `json:"held_s"`
	Passes  int              `json:"passes"`
	Reading evidence.Reading `json:"reading,omitzero"`
}

// A Trip is a guard that fired.
type Trip struct {
	Guard    string           `json:"guard"`
	At       time.Time        `json:"at"`
	Do       string           `json:"do"`
	To       string           `json:"to,omitempty"`
	Severity string           `json:"severity,omitempty"`
	Unknown  bool             `json:"unknown,omitempty"`
	For      Span             `json:"for_s"`
	Reading  evidence.Reading `json:"reading"`
	Quiet    time.Time        `json:"quiet,omitzero"` // when its check passed again
}

// A Signal is what a person told the run, and its answer.
type Signal struct {
	At      time.Time     `json:"at"`
	Message int64         `json:"message"`
	Signal  engine.Signal `json:"signal"`
	Signed  bool          `json:"signed"`
	Refused string        `json:"refused,omitempty"` // why
}

// A Pause is a time in which nothing new started.
type Pause struct {
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"`
	Took  Span      `json:"took_s"`
	Why   string    `json:"why"`
	By    string    `json:"by,omitempty"`
	Ended string    `json:"ended,omitempty"` // by what
}

// A Rollback, with what became of each undo.
type Rollback struct {
	At      time.Time `json:"at"`
	Target  string    `json:"target"`
	Phase   string    `json:"phase"`
	Start   bool      `json:"start,omitempty"`
	Why     string    `json:"why"`
	By      string    `json:"by"`
	Floor   string    `json:"floor,omitempty"`
	First   []string  `json:"first,omitempty"`
	Undos   []*Undo   `json:"undos"`
	Ended   time.Time `json:"ended,omitzero"`
	Result  string    `json:"result"` // verified, unverified, failed, under way
	Because []string  `json:"because,omitempty"`
	Left    []string  `json:"left,omitempty"`
	// Actuated is when the last undo ended; Actuation the time from the start
	// to it, Verification the time from it to the end.
	Actuated     time.Time                   `json:"actuated,omitzero"`
	Actuation    Span                        `json:"actuation_s"`
	Verification Span                        `json:"verification_s"`
	Readings     map[string]evidence.Reading `json:"readings,omitempty"`
}

// An Undo is one step's undoing.
type Undo struct {
	Step      string         `json:"step"`
	Started   time.Time      `json:"started,omitzero"`
	Ended     time.Time      `json:"ended,omitzero"`
	Took      Span           `json:"took_s"`
	Tries     int            `json:"tries,omitempty"`
	Outcome   string         `json:"outcome"` // undone, failed, held back, not begun
	Error     string         `json:"error,omitempty"`
	Drift     []state.Change `json:"drift,omitempty"`  // found otherwise than the step left it
	Differ    []state.Change `json:"differ,omitempty"` // not as before, afterwards
	Kept      *engine.Kept   `json:"kept,omitempty"`
	Told      state.Face     `json:"told,omitempty"` // what it has counted
	Witnessed time.Time      `json:"witnessed,omitzero"`
	OtherEyes bool           `json:"other_eyes,omitempty"` // they looked, and saw it
	Sight     string         `json:"sight,omitempty"`      // what they saw instead
}

// Drift is an owned field that was not as the run left it.
type Drift struct {
	At      time.Time      `json:"at"`
	Step    string         `json:"step,omitempty"`
	Between bool           `json:"between,omitempty"`
	Changes []state.Change `json:"changes"`
}

// A Process carried the run out for a while.
type Process struct {
	Epoch  int64     `json:"epoch"`
	Holder string    `json:"holder"`
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"` // its last event
	Events int       `json:"events"`
	// CutOff are the steps that the process before left without an outcome.
	CutOff []string `json:"cut_off,omitempty"`
}

// A Check has the figures of one check over the whole run.
type Check struct {
	Name    string           `json:"name"`
	Kind    string           `json:"kind"`
	Pass    int              `json:"pass"` // stored readings; they may have been pruned
	Fail    int              `json:"fail"`
	Unknown int              `json:"unknown"`
	Turns   int              `json:"turns"` // changes of the verdict that were journaled
	Last    evidence.Reading `json:"last"`
}

// Left is something the run has left behind on purpose or for want of better.
type Left struct {
	At   time.Time `json:"at"`
	Step string    `json:"step,omitempty"`
	What string    `json:"what"`
	Cost string    `json:"cost,omitempty"`
	Hint string    `json:"hint,omitempty"` // the command that removes it
}

// A Moment is one transition.
type Moment struct {
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	Epoch int64     `json:"epoch"`
	Type  string    `json:"type"`
	Text  string    `json:"text"`
}
