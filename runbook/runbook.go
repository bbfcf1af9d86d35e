// Package runbook is the language: the types of a runbook, its parsing with
// line and column, its JSON Schema, and lint. It knows no driver: what
// connections, actions and checks exist comes in as a [Catalog].
//
// A runbook is YAML 1.2 of one document, without tags and merge keys, at most
// a megabyte. In its values
//
//   - $name as a whole value is an input, with its type;
//   - ${name} within text is the text of an input (lower case);
//   - ${NAME} and ${file:/path} refer to the environment of the process that
//     opens the live system, and stay as they are until then; they may stand
//     only in parameters of connections, actions and checks that are text;
//   - $$ is a dollar sign; any other $ ($1, $SYS, a lone one) is itself.
//
// Text that is not quoted is text where text is meant: a date stays as it was
// written, and so does a version number.
package runbook

import (
	"fmt"
	"time"
)

// Pos is a place in a runbook's file, counted from 1.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String is file:line:column; what has no lines (a --set pair) is its file alone.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// A Runbook is a migration, parsed, checked, with its inputs filled in.
type Runbook struct {
	Name        string
	Description string
	File        string
	Text        []byte // as read; a run pins it
	Inputs      []Input
	Roles       map[string][]string // role → actors; a role that is not listed may be claimed by anyone, and that is recorded
	Connections []Conn
	Checks      []NamedCheck
	Guards      []Guard
	Targets     []Target
	Phases      []Phase
	Doctor      []Trouble
	Templates   []Template
	Contacts    []Contact
	Notify      []Route
	Escalation  *Escalation // nil: none
	Dashboards  []Dashboard
	LeftOut     []LeftOut // what is not there for these inputs

	notes []Warning // what Parse saw that only Lint tells
}

// An Input is a value the operator may set.
type Input struct {
	Name     string
	Type     Type
	Doc      string
	Enum     []string
	Required bool // it has no default
	Value    any  // from --set, --values or the default; nil when required and not given (lint only)
	Text     string
	Pos      Pos
}

// Use is one key with its parameters: a connection, an action or a check.
type Use struct {
	Kind   Kind
	Params Params
	Pos    Pos
}

// On is the connection the use names, "" if it needs none.
func (u Use) On() string { s, _ := u.Params["on"].(string); return s }

// Conn is a named live system.
type Conn struct {
	Name string
	Use
}

// NamedCheck is a question that gates, guards and requirements refer to.
type NamedCheck struct {
	Name string
	Use
}

// What is done when a guard fires, a gate expires or a step fails.
type Response string

const (
	Rollback Response = "rollback"
	Pause    Response = "pause"
	Notify   Response = "notify"
)

// ToPhase is the guard target that means the start of the phase it fires in;
// ToStart is the state before the run.
const (
	ToPhase = "phase"
	ToStart = "start"
)

// A Guard is a check that is watched during the run.
type Guard struct {
	Name       string // the check's, unless it has one of its own
	Check      string
	FailsFor   time.Duration // how long it must fail without a break; 0: at once
	Do         Response
	To         string // rollback target: ToPhase, ToStart, a phase's name (its start) or a Target's
	Severity   string
	UnknownFor time.Duration // 0: never
	Then       Response      // what to do after UnknownFor
	Every      time.Duration
	From       string // armed from the start of this phase; "" from the beginning
	Until      string // armed until the end of this phase; "" to the end of the run
	Pos        Pos
}

// A Target is a named place to roll back to.
type Target struct {
	Name   string
	To     string // ToStart or a phase's name: its start
	First  []Step // what restores service at once; done before the undoing
	Verify *Verify
	Pos    Pos
}

// A Phase is an ordered list of steps that ends in a gate.
type Phase struct {
	Name        string
	Description string
	Needs       []string // earlier phases that must be completed, not skipped
	Require     []Requirement
	Approve     *Approval
	Steps       []Step
	Verify      *Verify
	Gate        *Gate
	Rollback    *Verify  // how a rollback to this phase's start is verified
	OnFailure   Response // Pause (default) or Rollback, when a step or its verification fails
	Pos         Pos
}

// A Requirement must hold before a phase starts: a check, or an attestation
// of what no check can see.
type Requirement struct {
	Check  string
	Attest string
	Role   string
	Within time.Duration // how long a check may take to pass; default 30s
	Pos    Pos
}

// An Approval is asked of people before a phase or a step.
type Approval struct {
	Roles      []string // each of these must approve
	Count      int      // how many different people in all; at least 1
	NotByActor bool     // the one who started the run may not be among them
	Pos        Pos
}

// A Step makes one change.
type Step struct {
	ID   string // "phase/step-name-in-kebab-case"
	Name string
	Use
	Needs     []string // IDs of earlier steps that must be done, not skipped
	Approve   *Approval
	Verify    *Verify
	Timeout   time.Duration // for one apply or undo; default 5m
	NoReturn  bool          // a point of no return: no rollback goes below it
	OnFailure Response      // "" : the phase's
	Pos       Pos
}

// A Verify holds when all its checks pass at once, within a time.
type Verify struct {
	Within time.Duration
	Every  time.Duration
	Checks []string
	Pos    Pos
}

// A Gate holds the next phase back until its checks have held, without a
// break, for a time.
type Gate struct {
	Hold     []string
	For      time.Duration
	Every    time.Duration
	MaxGap   time.Duration // unknown for longer starts the time anew
	Deadline time.Duration // 0: none
	Then     Response      // after the deadline: Pause (default), Rollback or Notify
	Pos      Pos
}

// Phase returns the named phase's index, or -1.
func (r *Runbook) Phase(name string) int {
	for i := range r.Phases {
		if r.Phases[i].Name == name {
			return i
		}
	}
	return -1
}

// Target returns the named target.
func (r *Runbook) Target(name string) (Target, bool) {
	for _, t := range r.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

// AllSteps are the steps of all phases, in order, and then those that targets
// do first.
func (r *Runbook) AllSteps() []Step {
	var out []Step
	for _, p := range r.Phases {
		out = append(out, p.Steps...)
	}
	for _, t := range r.Targets {
		out = append(out, t.First...)
	}
	return out
}

// Step returns the step with this ID, a target's first steps included.
func (r *Runbook) Step(id string) (Step, bool) {
	for i := range r.Phases {
		for j := range r.Phases[i].Steps {
			if r.Phases[i].Steps[j].ID == id {
				return r.Phases[i].Steps[j], true
			}
		}
	}
	for i := range r.Targets {
		for j := range r.Targets[i].First {
			if r.Targets[i].First[j].ID == id {
				return r.Targets[i].First[j], true
			}
		}
	}
	return Step{}, false
}

// Check returns the named check.
func (r *Runbook) Check(name string) (NamedCheck, bool) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c, true
		}
	}
	return NamedCheck{}, false
}

// Connection returns the named connection.
func (r *Runbook) Connection(name string) (Conn, bool) {
	for _, c := range r.Connections {
		if c.Name == name {
			return c, true
		}
	}
	return Conn{}, false
}
