package ledger

import (
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// World is what the systems hold, as far as the count needs it.
type World struct {
	// Legacy is the legacy system's robots by id; nil when it was not asked.
	Legacy map[string]robot.Record
	// New is nil when the new system was not asked.
	New *NewSystem
}

// NewSystem is what the database of the new system holds.
type NewSystem struct {
	// Events is how many there are; Gaps how many numbers between them are
	// missing.
	Events, Gaps int64
	// Beats is each heartbeat's events by their numbers, by the heartbeat's mark.
	Beats map[string][]int64
	// Unmarked is how many heartbeats no fleet has sent.
	Unmarked int
	// Robots is the read model, Rebuilt what the events make of it.
	Robots, Rebuilt map[string]robot.Robot
	Sessions        []Session
}

// Session is a row of teleoperation_sessions.
type Session struct {
	ID       string
	Robot    string
	Operator string
	Observed bool // the robot said so; no operator asked for it
	Started  time.Time
	Ended    *time.Time
}

func (s Session) overlaps(next Session) bool { return s.Ended == nil || s.Ended.After(next.Started) }
