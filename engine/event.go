package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// An Event is something that happened to a run and is journaled.
type Event interface {
	// Type is the event's name in the journal. It never changes its meaning.
	Type() string
}

// Version is the version of the events' JSON that this engine writes.
const Version = 1

// Created begins a run: it pins the runbook's text and inputs.
type Created struct {
	Name     string   `json:"name"`
	File     string   `json:"file"`
	Digest   string   `json:"digest"` // of Text, sha256 in hex
	Text     string   `json:"text"`
	Settings []string `json:"settings,omitempty"` // of its inputs, name=value
	Actor    string   `json:"actor"`
	Segue    string   `json:"segue"` // version of the program
}

// Amended replaces the runbook's text for phases that have not started.
type Amended struct {
	Text     string   `json:"text"`
	Digest   string   `json:"digest"`
	Settings []string `json:"settings,omitempty"` // of its inputs, name=value
	Actor    string   `json:"actor"`
}

// Acquired: a process took the lease. Intents without outcome are uncertain
// from here on.
type Acquired struct {
	Holder string `json:"holder"`
	Actor  string `json:"actor"`
	Epoch  int64  `json:"epoch"`
}

// PhaseStarted: the phase's requirements are being looked at.
type PhaseStarted struct {
	Phase   string `json:"phase"`
	Attempt int    `json:"attempt"`
}

// PhaseReady: requirements hold, attestations and approvals are there.
type PhaseReady struct {
	Phase    string                      `json:"phase"`
	Readings map[string]evidence.Reading `json:"readings,omitempty"`
	Given    []Given                     `json:"given,omitempty"`
}

// PhaseDone: the gate has passed.
type PhaseDone struct {
	Phase string `json:"phase"`
}

// StepIntent precedes any change to the world.
type StepIntent struct {
	Step    string         `json:"step"`
	Attempt int            `json:"attempt"`
	Before  state.Face     `json:"before"`
	Want    state.Face     `json:"want"`
	Diff    []state.Change `json:"diff,omitempty"`
	Seal    string         `json:"seal,omitempty"`  // names the sealed faces, where there are secrets
	Again   bool           `json:"again,omitempty"` // another attempt: the first one's Before stays
}

// StepCursor is the durable cursor of a resumable step.
type StepCursor struct {
	Step   string          `json:"step"`
	Undo   bool            `json:"undo,omitempty"`
	Cursor json.RawMessage `json:"cursor"`
}

// StepProgress is how far a step's work has come: told now and then while it
// takes long. Nothing goes by it.
type StepProgress struct {
	Step string        `json:"step"`
	Done float64       `json:"done"`
	Of   float64       `json:"of,omitempty"` // 0 when that is not known
	What string        `json:"what,omitempty"`
	Left time.Duration `json:"left_ns,omitempty"` // 0 when that is not known
	Note string        `json:"note,omitempty"`
}

// StepDone is the outcome of a step.
type StepDone struct {
	Step      string     `json:"step"`
	After     state.Face `json:"after"`
	Changed   bool       `json:"changed"`
	Recovered bool       `json:"recovered,omitempty"` // found done after a crash
	Millis    int64      `json:"ms,omitempty"`
}

// StepFailed: the step's effect ended without reaching what was wanted.
type StepFailed struct {
	Step   string `json:"step"`
	Stage  string `json:"stage"` // observe, plan, apply, verify
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// StepIndeterminate: the effect ignored its cancellation. What it does to the
// world from here on, nobody knows; rollback comes back to it last.
type StepIndeterminate struct {
	Step string `json:"step"`
	Undo bool   `json:"undo,omitempty"`
}

// DriftFound: an owned field is not what the last journaled step left, or the
// world is neither before nor want after a crash. Going forward stops.
type DriftFound struct {
	Step    string         `json:"step"`
	Changes []state.Change `json:"changes"`
	Between bool           `json:"between,omitempty"`
}

// Compared: what the steps that are done see of the world is what they left.
type Compared struct {
	Steps []string `json:"steps"`
}

// VerifyStarted and VerifyPassed frame the verification of a step ("step") or
// a phase ("phase").
type VerifyStarted struct {
	Of string `json:"of"`
}

// VerifyPassed carries the readings that justified it.
type VerifyPassed struct {
	Of       string                      `json:"of"`
	Readings map[string]evidence.Reading `json:"readings"`
}

// VerifyFailed: not all checks passed at once within the time.
type VerifyFailed struct {
	Of       string                      `json:"of"`
	Readings map[string]evidence.Reading `json:"readings"`
}

// GateOpened: the gate's clocks run from here.
type GateOpened struct {
	Phase string `json:"phase"`
}

// GateHeld is a checkpoint of the gate's clocks.
type GateHeld struct {
	Phase  string                   `json:"phase"`
	Clocks map[string]evidence.Hold `json:"clocks"`
	Spent  time.Duration            `json:"spent"` // of the deadline, pauses not counted
}

// GatePassed carries the readings that justified it.
type GatePassed struct {
	Phase    string                      `json:"phase"`
	Clocks   map[string]evidence.Hold    `json:"clocks"`
	Readings map[string]evidence.Reading `json:"readings"`
}

// GateExpired: the deadline came first.
type GateExpired struct {
	Phase    string                      `json:"phase"`
	Then     string                      `json:"then"`
	Readings map[string]evidence.Reading `json:"readings"`
}

// CheckTurned: a watched check's verdict changed.
type CheckTurned struct {
	Check   string           `json:"check"`
	Reading evidence.Reading `json:"reading"`
}

// GuardTripped: a guard's check failed (or was unknown) for its time.
type GuardTripped struct {
	Guard    string           `json:"guard"`
	Do       string           `json:"do"`
	To       string           `json:"to,omitempty"`
	Severity string           `json:"severity,omitempty"`
	Unknown  bool             `json:"unknown,omitempty"`
	For      time.Duration    `json:"for"`
	Reading  evidence.Reading `json:"reading"`
}

// GuardQuiet: the check of a tripped guard passes again.
type GuardQuiet struct {
	Guard   string           `json:"guard"`
	Reading evidence.Reading `json:"reading"`
}

// Paused: nothing new starts until a person says so; guards keep watching.
type Paused struct {
	Why  string `json:"why"`
	By   string `json:"by,omitempty"` // a person, or "guard:<name>", "gate:<phase>", "step:<id>"
	Next string `json:"next,omitempty"`
}

// Resumed ends a pause.
type Resumed struct {
	By string `json:"by"`
}

// RollbackStarted pre-empts everything.
type RollbackStarted struct {
	Target string   `json:"target"`          // as named: "phase", "start", a phase, a target
	Phase  string   `json:"phase"`           // back to the start of this phase
	Index  int      `json:"index"`           // its place in the runbook
	Start  bool     `json:"start,omitempty"` // all the way: the run is over then
	First  []string `json:"first,omitempty"` // steps that restore service, done before the undoing
	Undo   []string `json:"undo"`            // steps to undo, in this order
	Floor  string   `json:"floor,omitempty"` // the point of no return that it cannot go below
	Why    string   `json:"why"`
	By     string   `json:"by"`
}

// UndoIntent precedes an undo.
type UndoIntent struct {
	Step    string `json:"step"`
	Attempt int    `json:"attempt"`
}

// UndoDone: what was found, and what the undo left.
type UndoDone struct {
	Step   string         `json:"step"`
	Found  state.Face     `json:"found,omitempty"`
	Left   state.Face     `json:"left"`
	Differ []state.Change `json:"differ,omitempty"` // fields that are not as before
	Drift  []state.Change `json:"drift,omitempty"`  // found fields that were not as the step left them
	Kept   *Kept          `json:"kept,omitempty"`
	Told   state.Face     `json:"told,omitempty"` // what it has counted on its way
	Millis int64          `json:"ms,omitempty"`
}

// Kept is what an undo left in place on purpose.
type Kept struct {
	What   string              `json:"what"`
	Cost   string              `json:"cost"`
	Hint   string              `json:"hint,omitempty"`
	Fields map[string][]string `json:"fields,omitempty"`
	Doubts []string            `json:"doubts,omitempty"` // why it is not known that all is there
}

// UndoFailed: this attempt failed; Final says that no further one follows.
type UndoFailed struct {
	Step  string `json:"step"`
	Error string `json:"error"`
	Final bool   `json:"final"`
}

// UndoHeld: the undo was not tried, as a later step that it rests on could not
// be undone.
type UndoHeld struct {
	Step    string `json:"step"`
	Because string `json:"because"`
}

// UndoMerged: a first step has put back what this step owns, and the undo of an
// earlier one leads on to where all of them are to be: it does this one's, too.
type UndoMerged struct {
	Step string `json:"step"`
	Into string `json:"into"`
}

// Witnessed: other eyes than those that acted looked at an undone step.
type Witnessed struct {
	Step  string     `json:"step"`
	Face  state.Face `json:"face,omitempty"`
	Able  bool       `json:"able"` // the action has other eyes
	Error string     `json:"error,omitempty"`
}

// RollbackEnded says how: verified, unverified or failed.
type RollbackEnded struct {
	Result   string                      `json:"result"`
	Why      []string                    `json:"why,omitempty"`
	Left     []string                    `json:"left,omitempty"`
	Readings map[string]evidence.Reading `json:"readings,omitempty"`
}

// SignalTaken: the lease holder took a signal out of the inbox.
type SignalTaken struct {
	Message int64  `json:"message"`
	Signal  Signal `json:"signal"`
}

// SignalRefused: the signal made no sense here.
type SignalRefused struct {
	Message int64  `json:"message"`
	Signal  Signal `json:"signal"`
	Reason  string `json:"reason"`
}

// Completed ends a run in success.
type Completed struct{}

// Aborted ends a run as it is; nothing is undone.
type Aborted struct {
	By   string   `json:"by"`
	Left []string `json:"left,omitempty"`
}

// RolledBack ends a run that is back at its start.
type RolledBack struct {
	Result string `json:"result"`
}

func (Created) Type() string           { return "run.created" }
func (Amended) Type() string           { return "run.amended" }
func (Acquired) Type() string          { return "run.acquired" }
func (PhaseStarted) Type() string      { return "phase.started" }
func (PhaseReady) Type() string        { return "phase.ready" }
func (PhaseDone) Type() string         { return "phase.done" }
func (StepIntent) Type() string        { return "step.intent" }
func (StepCursor) Type() string        { return "step.cursor" }
func (StepProgress) Type() string      { return "step.progress" }
func (StepDone) Type() string          { return "step.done" }
func (StepFailed) Type() string        { return "step.failed" }
func (StepIndeterminate) Type() string { return "step.indeterminate" }
func (DriftFound) Type() string        { return "drift.found" }
func (Compared) Type() string          { return "world.compared" }
func (VerifyStarted) Type() string     { return "verify.started" }
func (VerifyPassed) Type() string      { return "verify.passed" }
func (VerifyFailed) Type() string      { return "verify.failed" }
func (GateOpened) Type() string        { return "gate.opened" }
func (GateHeld) Type() string          { return "gate.held" }
func (GatePassed) Type() string        { return "gate.passed" }
func (GateExpired) Type() string       { return "gate.expired" }
func (CheckTurned) Type() string       { return "check.turned" }
func (GuardTripped) Type() string      { return "guard.tripped" }
func (GuardQuiet) Type() string        { return "guard.quiet" }
func (Paused) Type() string            { return "run.paused" }
func (Resumed) Type() string           { return "run.resumed" }
func (RollbackStarted) Type() string   { return "rollback.started" }
func (UndoIntent) Type() string        { return "undo.intent" }
func (UndoDone) Type() string          { return "undo.done" }
func (UndoFailed) Type() string        { return "undo.failed" }
func (UndoHeld) Type() string          { return "undo.held" }
func (UndoMerged) Type() string        { return "undo.merged" }
func (Witnessed) Type() string         { return "undo.witnessed" }
func (RollbackEnded) Type() string     { return "rollback.ended" }
func (SignalTaken) Type() string       { return "signal.taken" }
func (SignalRefused) Type() string     { return "signal.refused" }
func (Completed) Type() string         { return "run.completed" }
func (Aborted) Type() string           { return "run.aborted" }
func (RolledBack) Type() string        { return "run.rolled-back" }

// A FutureError: the journal holds an event that this engine does not know.
type FutureError struct {
	Type    string
	Version int
}

func (e *FutureError) Error() string {
	return fmt.Sprintf("the journal holds a %q event of version %d, which this segue does not know: it was written by a newer one; use that", e.Type, e.Version)
}

// Unmarshal reads an event back. It returns a *FutureError for a type or a
// version it does not know.
func Unmarshal(typ string, version int, data []byte) (Event, error) {
	read, ok := readers[typ]
	if !ok || version > Version {
		return nil, &FutureError{typ, version}
	}
	ev, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("read %s event: %w", typ, err)
	}
	return ev, nil
}

func reader[E Event](data []byte) (Event, error) {
	var e E
	err := json.Unmarshal(data, &e)
	return e, err
}

// readers maps each event's type to its reader; it is never written to.
var readers = map[string]func([]byte) (Event, error){
	Created{}.Type(): reader[Created], Amended{}.Type(): reader[Amended], Acquired{}.Type(): reader[Acquired],
	PhaseStarted{}.Type(): reader[PhaseStarted], PhaseReady{}.Type(): reader[PhaseReady], PhaseDone{}.Type(): reader[PhaseDone],
	StepIntent{}.Type(): reader[StepIntent], StepCursor{}.Type(): reader[StepCursor], StepProgress{}.Type(): reader[StepProgress], StepDone{}.Type(): reader[StepDone],
	StepFailed{}.Type(): reader[StepFailed], StepIndeterminate{}.Type(): reader[StepIndeterminate],
	DriftFound{}.Type(): reader[DriftFound], Compared{}.Type(): reader[Compared], VerifyStarted{}.Type(): reader[VerifyStarted], VerifyPassed{}.Type(): reader[VerifyPassed],
	VerifyFailed{}.Type(): reader[VerifyFailed], GateOpened{}.Type(): reader[GateOpened], GateHeld{}.Type(): reader[GateHeld],
	GatePassed{}.Type(): reader[GatePassed], GateExpired{}.Type(): reader[GateExpired], CheckTurned{}.Type(): reader[CheckTurned],
	GuardTripped{}.Type(): reader[GuardTripped], GuardQuiet{}.Type(): reader[GuardQuiet], Paused{}.Type(): reader[Paused],
	Resumed{}.Type(): reader[Resumed], RollbackStarted{}.Type(): reader[RollbackStarted], UndoIntent{}.Type(): reader[UndoIntent],
	UndoDone{}.Type(): reader[UndoDone], UndoFailed{}.Type(): reader[UndoFailed], UndoHeld{}.Type(): reader[UndoHeld], UndoMerged{}.Type(): reader[UndoMerged],
	Witnessed{}.Type(): reader[Witnessed], RollbackEnded{}.Type(): reader[RollbackEnded], SignalTaken{}.Type(): reader[SignalTaken],
	SignalRefused{}.Type(): reader[SignalRefused], Completed{}.Type(): reader[Completed], Aborted{}.Type(): reader[Aborted],
	RolledBack{}.Type(): reader[RolledBack], Escalated{}.Type(): reader[Escalated],
}
