package api

import (
	"errors"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// Error is the body of every answer that is no success.
type Error struct {
	Error string `json:"error"`
	// Field is what of the request cannot be taken.
	Field string `json:"field,omitempty"`
	// RetryAfter is in seconds, as in the header; 0 where there is no use.
	RetryAfter int `json:"retry_after,omitempty"`
}

// Heartbeat is a robot's report of itself.
type Heartbeat struct {
	robot.Record
	// MessageID is the same when a robot says the same again.
	MessageID string `json:"message_id,omitempty"`
}

// Accepted answers one heartbeat.
type Accepted struct {
	Status string `json:"status"` // StatusOK
	ID     string `json:"id"`     // of the robot
	// Durable says that a crash cannot lose it. The legacy system never says so.
	Durable bool `json:"durable"`
}

// StatusOK is Accepted's status.
const StatusOK = "ok"

// Robots are records as the legacy system lists and imports them, by id.
type Robots struct {
	Robots []robot.Record `json:"robots"`
	Total  int            `json:"total"`
}

// Count is how many robots there are.
type Count struct {
	Total         int                    `json:"total"`
	ByType        map[robot.Type]int     `json:"by_type"`
	ByStatus      map[robot.Reported]int `json:"by_status"`
	Teleoperation int                    `json:"teleoperation"`
}

// NewCount has every type and status, at 0.
func NewCount() Count {
	c := Count{ByType: map[robot.Type]int{}, ByStatus: map[robot.Reported]int{}}
	for _, t := range robot.Types() {
		c.ByType[t] = 0
	}
	for _, s := range []robot.Reported{robot.Running, robot.Stopped, robot.Updating, robot.ReportedFailed, robot.ReportedUnknown} {
		c.ByStatus[s] = 0
	}
	return c
}

// Add counts a robot.
func (c *Count) Add(t robot.Type, s robot.Reported, teleoperation bool) {
	c.Total++
	c.ByType[t]++
	c.ByStatus[s]++
	if teleoperation {
		c.Teleoperation++
	}
}

// Deployment is one change of a robot's version.
type Deployment struct {
	RobotID string     `json:"robot_id"`
	From    string     `json:"from_version"`
	To      string     `json:"to_version"`
	At      robot.Time `json:"at"`
}

// Deployments are the newest, newest first.
type Deployments struct {
	Deployments []Deployment `json:"deployments"`
}

// MaxDeployments is how many Deployments holds at most.
const MaxDeployments = 100

// Imported answers an import.
type Imported struct {
	Imported int `json:"imported"`
	// Rejected are records that cannot be taken; the others are.
	Rejected []Rejected `json:"rejected,omitempty"`
}

// Rejected is one item of a batch that cannot be taken.
type Rejected struct {
	Index int    `json:"index"`
	Field string `json:"field,omitempty"`
	Error string `json:"error"`
}

// Reject says that an item cannot be taken, and which field of it if err is an
// *robot.InvalidError.
func Reject(index int, err error) Rejected {
	var bad *robot.InvalidError
	if errors.As(err, &bad) {
		return Rejected{Index: index, Field: bad.Field, Error: bad.Why}
	}
	return Rejected{Index: index, Error: err.Error()}
}

// V2Robot is a robot as the new system shows it.
type V2Robot struct {
	robot.Robot
	Healthy bool `json:"healthy"`
}

// V2Robots is one page, by id.
type V2Robots struct {
	Robots []V2Robot `json:"robots"`
	Total  int       `json:"total"`
	// Next is the next page's `after`, "" on the last one.
	Next string `json:"next,omitempty"`
}

// RobotPage is one page of the state-manager's, by id.
type RobotPage struct {
	Robots []robot.Robot `json:"robots"`
	Total  int           `json:"total"`
	Next   string        `json:"next,omitempty"`
}

// Heartbeats are several at once.
type Heartbeats struct {
	Heartbeats []Heartbeat `json:"heartbeats"`
}

// Events are several at once.
type Events struct {
	Events []robot.Event `json:"events"`
}

// Appended answers heartbeats and events: each is kept, was kept before, or is
// rejected.
type Appended struct {
	Appended   int        `json:"appended"`
	Duplicates int        `json:"duplicates"`
	Rejected   []Rejected `json:"rejected,omitempty"`
	Durable    bool       `json:"durable"`
}

// Change is what watchers are told of a robot.
type Change struct {
	Seq     int64      `json:"seq"`
	Kind    robot.Kind `json:"kind"`
	RobotID string     `json:"robot_id"`
	// Robot is nil when it was deleted.
	Robot *robot.Robot `json:"robot"`
}

// Changes is a part of them, in order.
type Changes struct {
	Changes []Change `json:"changes"`
	// Next is where to go on: the next `after`.
	Next int64 `json:"next"`
}

// Discovered answers for one address.
type Discovered struct {
	IP     string        `json:"ip"`
	Answer bool          `json:"answer"`
	Error  string        `json:"error,omitempty"`
	Type   robot.Type    `json:"type,omitempty"`
	Robot  *robot.Record `json:"robot,omitempty"`
	Took   float64       `json:"took_ms"`
}

// CountCheck compares how many robots the two systems have.
type CountCheck struct {
	Legacy *Count `json:"legacy"` // nil when the legacy system did not say
	New    Count  `json:"new"`
	// Difference is new less legacy; Match that it is 0, for each type too. Both
	// are nil when the legacy system did not say.
	Difference *int   `json:"difference"`
	Match      *bool  `json:"match"`
	Error      string `json:"error,omitempty"`
}

// SyncStatus is what was brought over from the legacy system.
type SyncStatus struct {
	Status   string     `json:"status"` // "never", or "ok"
	LastSync *time.Time `json:"last_sync"`
	// Age is in seconds; nil before the first sync.
	Age     *float64 `json:"age_seconds"`
	Records int64    `json:"records_total"`
	Batches int64    `json:"batches_total"`
	// Robots are how many the new system has, LegacyRobots how many the last
	// sync said that the legacy system has.
	Robots       int `json:"robots"`
	LegacyRobots int `json:"legacy_robots"`
}

// Health is the body of /health; what a service adds to it is in Detail.
type Health struct {
	Status  string `json:"status"` // Healthy or Degraded, which is answered with 503
	Service string `json:"service"`
	System  string `json:"system"`
	Version string `json:"version"`
	// Flags are those that the service goes by, as it runs now.
	Flags map[string]bool `json:"feature_flags,omitempty"`
	// Detail says what the flags come to, and what the service depends on.
	Detail map[string]any `json:"detail,omitempty"`
}

// Statuses of Health.
const (
	Healthy  = "healthy"
	Degraded = "degraded"
)
