package drivertest

import (
	"context"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/soak"
)

// A Subject is an action as the walk sees it.
type Subject struct {
	// World makes a fresh, independent world in which the action has
	// something to do. It cleans up by t.Cleanup and fails by t.Fatal.
	World func(t testing.TB) World
	// Secrets must show in no public face, cursor, error text or resource,
	// neither plain nor in base64 nor URL-encoded.
	Secrets []string
	// AlwaysActs: the action does its work each time (a probe, say), so that
	// planning on what it left does not say "nothing to do".
	AlwaysActs bool
	// MayKeep: Undo may return *driver.Kept. What it lists is not compared.
	MayKeep bool
	// NothingToDisturb: the action owns nothing that another could change.
	NothingToDisturb bool
	// ObserveOnly names fields that Observe shows and Apply does not set, such
	// as a count of messages. They are not compared.
	ObserveOnly []string
	// Promptly is how soon Apply and Undo return after their context was
	// cancelled; 2 s by default.
	Promptly time.Duration
	// Slow: its worlds take long to make. It is crashed at a part of its
	// boundaries, and at each one only with `make soak`.
	Slow bool
	// Parallel: its worlds have nothing in common, so that several rules are
	// walked at a time.
	Parallel bool
	// Timeout bounds each rule; 1 min by default.
	Timeout time.Duration
}

// A World is one throw-away live system with an action on it.
type World struct {
	// Action makes a new action value on the same world, as a process does
	// that starts after a crash.
	Action func() driver.Action
	// Disturb is somebody else changing an owned field, once Apply was done.
	Disturb func(ctx context.Context) error
}

func (s Subject) promptly() time.Duration {
	if s.Promptly > 0 {
		return s.Promptly
	}
	return 2 * time.Second
}

// stride is how far it is from one boundary to crash at to the next.
func (s Subject) stride() int {
	switch {
	case !s.Slow || soak.On():
		return 1
	case testing.Short():
		return tooMany // the first alone
	}
	return 3
}

func (s Subject) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return time.Minute
}
