// Package driver holds the contracts between Segue and the live systems it
// changes: connections, actions, checks, and the small abilities that only
// some of them have. One package beneath it speaks to one system. The Catalog
// of what is built in is put together in cmd/segue.
package driver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// A Conn is an opened connection to a live system.
type Conn interface {
	// Close releases what Open took. It leaves the live system as it is.
	Close() error
}

// A Resource is something an action writes. ID is canonical: whoever reaches
// the same thing by another address gets the same ID (cluster + account +
// stream; database system identifier + database; real path). Parts are
// separated by '/', and a resource contains those whose ID extends its own.
type Resource struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// An Effect is what Apply and Undo work from. Before and Want are sealed
// faces as they were when the intent was journaled.
type Effect struct {
	Before state.State
	Want   state.State
	// Cursor is what the last call to Save recorded; nil if nothing was.
	Cursor json.RawMessage
	// Save journals a cursor before it returns. It fails when the lease is
	// lost: the action must then stop at once. It is never nil.
	Save func(ctx context.Context, cursor any) error
	// Mine reports whether this process may still write: call it right before
	// each change to the world. It returns an error that wraps ErrNotMine when
	// the deadline has passed, as after a SIGSTOP. It is never nil.
	Mine func() error
}

// An Action is one reversible change to a live system. Every method may be
// called again after a crash at any point.
type Action interface {
	// Resources are the canonical identities of what the action writes.
	Resources() []Resource
	// Observe reads the owned fields, normalised: what the server fills in by
	// itself, version stamps and order do not show. It changes nothing.
	Observe(ctx context.Context) (state.State, error)
	// Plan is pure: what the owned fields should become. want equal to before
	// means there is nothing to do. It refuses, as a *Refusal, what the live
	// system would refuse or silently change.
	Plan(before state.State) (want state.State, err error)
	// Apply makes the change and returns what Observe then sees. Applying
	// again when the world is already as wanted changes nothing.
	Apply(ctx context.Context, e Effect) (after state.State, err error)
	// Undo brings configuration and routing back to e.Before and never
	// deletes data that arrived since: what it must leave it reports as *Kept.
	// It works when Apply never ran, or ran half-way. Undo again changes nothing.
	Undo(ctx context.Context, e Effect) error
}

// A Surveyor sees more of the world than it owns, which its Plan needs (which
// other streams own which subjects, say). The runner calls Survey with
// Observe and hands the result, overlaid with what earlier steps will have
// left, to PlanAmong instead of Plan.
type Surveyor interface {
	Action
	Survey(ctx context.Context) (state.State, error)
	PlanAmong(before, others state.State) (want state.State, err error)
}

// An Overrider brings its change about whatever somebody else has done to what it
// owns, as Undo does. The first steps of a rollback restore service: where a
// step that goes forward is refused, as it would build on what nobody knows,
// these are planned by PlanOver, and applied over it.
type Overrider interface {
	Action
	PlanOver(before state.State) (want state.State, err error)
}

// A Resumable action can go on from its cursor when a crash left the world
// between before and want.
type Resumable interface {
	Action
	Resume(ctx context.Context, e Effect) (after state.State, err error)
}

// A Witness sees with other eyes than Observe (who really answers, not what
// the configuration says) whether the world serves as want says.
type Witness interface {
	Action
	Witness(ctx context.Context, want state.State) error
}

// A Background action keeps working after Apply until it is undone. It is
// restarted from its cursor on resume.
type Background interface {
	Action
	// Run works until ctx ends. It saves its cursor as it goes.
	Run(ctx context.Context, e Effect) error
	// Staleness is how far behind the work is; with an error when it does not get
	// on, so that it is not known what it lacks.
	Staleness(ctx context.Context) (time.Duration, error)
}

// Irreversible marks an action that cannot be undone; a step with it is a
// point of no return.
type Irreversible interface {
	Action
	// Loses says, for the approver, what cannot be had back.
	Loses() string
}

// A Teller counts on its way back, as the state that Apply returns may tell what
// was counted on the way there.
type Teller interface {
	Action
	// Tell is what an undo has counted, by its last cursor: fields for the report,
	// nil if there are none. It asks no live system.
	Tell(cursor json.RawMessage) (state.State, error)
}

// A Costly action says what its change costs those whom the system serves,
// though nothing goes wrong.
type Costly interface {
	Action
	// Costs is for who reads the plan; "" for nothing.
	Costs(before, want state.State) string
}

// A Check is a question to a live system. A measurement that could not be had
// is Unknown; a health check whose subject cannot be reached is Fail.
type Check interface {
	Read(ctx context.Context) evidence.Reading
}
