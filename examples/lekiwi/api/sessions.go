package api

import "time"

// SessionStart asks to drive a robot.
type SessionStart struct {
	RobotID  string `json:"robot_id"`
	Operator string `json:"operator"`
}

// Session is one operator driving one robot.
type Session struct {
	ID       string `json:"id"`
	RobotID  string `json:"robot_id"`
	Operator string `json:"operator"`
	// Source is SourceOperator, or SourceObserved where a robot says that it is
	// driven and nobody told the service.
	Source    string     `json:"source"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Quality   *Quality   `json:"quality,omitempty"`
}

// Sources of a session.
const (
	SourceOperator = "operator"
	SourceObserved = "observed"
)

// Sessions are several, newest first.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// Quality is how well a session goes.
type Quality struct {
	LatencyMS  float64 `json:"latency_ms"`  // to the robot and back
	PacketLoss float64 `json:"packet_loss"` // 0 to 1
}
