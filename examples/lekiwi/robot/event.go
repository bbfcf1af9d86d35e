package robot

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Kind is what an event is about.
type Kind string

// All of them. Which service says which is in examples/lekiwi/README.md.
const (
	// Heartbeat: a robot has reported itself.
	Heartbeat Kind = "heartbeat"
	// Imported: the legacy system's record of a robot. It counts only if it is
	// newer than what is known.
	Imported Kind = "imported"
	// Taken: discovery has begun to ask a robot that was discovered.
	Taken Kind = "taken"
	// Probed: a robot has answered to being asked.
	Probed Kind = "probed"
	// Unanswered: a robot has not answered.
	Unanswered Kind = "unanswered"
	// Silent: nothing was heard of a robot for Silence.
	Silent Kind = "silent"
	// Deleted: an operator has removed a robot.
	Deleted Kind = "deleted"
)

// Event is something that happened to a robot.
type Event struct {
	// Key names the event: 32 hexadecimal digits. A second one with the same key
	// is the same event.
	Key     string `json:"key"`
	RobotID string `json:"robot_id"`
	Kind    Kind   `json:"kind"`
	// At is when the server that says so saw it.
	At Time `json:"at"`
	// Record is there in heartbeats, imports and answers.
	Record *Record `json:"record,omitempty"`
}

// hasRecord says which kinds carry a record.
func (k Kind) hasRecord() (has, known bool) {
	switch k {
	case Heartbeat, Imported, Probed:
		return true, true
	case Taken, Unanswered, Silent, Deleted:
		return false, true
	}
	return false, false
}

// Check says what is wrong with an event that came over the wire, and brings its
// record into form.
func (e *Event) Check() error {
	if raw, err := hex.DecodeString(e.Key); err != nil || len(raw) != keyBytes {
		return invalid("key", "must be %d hexadecimal digits, not %q", 2*keyBytes, e.Key)
	}
	has, known := e.Kind.hasRecord()
	switch {
	case !known:
		return invalid("kind", "is %q, which is none", e.Kind)
	case e.At.IsZero():
		return invalid("at", "is missing")
	case has != (e.Record != nil):
		return invalid("record", "belongs into %s, %s and %s, and nowhere else", Heartbeat, Imported, Probed)
	case !has && e.RobotID == "":
		return invalid("robot_id", "is missing")
	case !has:
		return nil
	}
	if err := e.Record.Normalize(); err != nil {
		return err
	}
	if e.RobotID == "" {
		e.RobotID = e.Record.ID
	}
	if e.RobotID != e.Record.ID {
		return invalid("robot_id", "is %q, and its record's id is %q", e.RobotID, e.Record.ID)
	}
	return nil
}

const keyBytes = 16

// NewKey makes a key of what tells an event from all others. Equal parts give an
// equal key.
func NewKey(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(sum.Sum(nil)[:keyBytes])
}

// HeartbeatKey names the event of a heartbeat. By its message id, if it has one:
// a robot that was not answered says the same again under the same id. Without
// one, by its content and its own time; a robot that says neither has said
// something new (key "").
func HeartbeatKey(messageID string, r Record) string {
	switch {
	case messageID != "":
		return NewKey(string(Heartbeat), r.ID, messageID)
	case r.LastSeen.IsZero():
		return ""
	}
	return NewKey(string(Heartbeat), r.ID, "content", r.content())
}

// ImportKey names the event of an imported record: the same record again is
// nothing new.
func ImportKey(r Record) string { return NewKey(string(Imported), r.ID, r.content()) }

// WindowKey names an event of a kind that happens to a robot at most once in a
// window of time, however many servers see it.
func WindowKey(k Kind, robotID string, at time.Time, window time.Duration) string {
	return NewKey(string(k), robotID, strconv.FormatInt(at.UnixNano()/int64(window), 10))
}

func (r Record) content() string {
	raw, err := json.Marshal(r)
	if err != nil {
		panic(fmt.Sprintf("robot: a record in form has no JSON: %v", err))
	}
	return string(raw)
}

// Fold says what an event makes of a robot. Before the first event known is
// false; after Deleted it is false again.
func Fold(r Robot, known bool, seq int64, e Event) (Robot, bool) {
	switch e.Kind {
	case Heartbeat, Probed, Imported:
		if known && e.Kind == Imported && !e.Record.LastSeen.After(r.LastSeen.Time) {
			return r, true
		}
		if !known {
			r = Robot{ID: e.RobotID, DiscoveredAt: e.At}
		}
		r.take(*e.Record)
		if r.LastSeen.IsZero() {
			r.LastSeen = e.At
		}
		r.HeardAt, r.Failures = e.At, 0
		if e.Kind == Probed && r.Lifecycle == Provisioning {
			r.Lifecycle = Ready
		} else {
			r.Lifecycle = r.Lifecycle.heard(e.Record.Status)
		}
	case Deleted:
		return Robot{}, false
	default:
		if !known {
			return r, false // of a robot that was deleted meanwhile
		}
		switch e.Kind {
		case Taken:
			if r.Lifecycle == Discovered {
				r.Lifecycle = Provisioning
			}
		case Unanswered:
			r.Failures++
			r.Lifecycle = r.Lifecycle.unanswered(r.Failures)
		case Silent:
			r.Lifecycle = r.Lifecycle.silent()
		}
	}
	r.Seq = seq
	return r, true
}

// take takes over what a record says.
func (r *Robot) take(rec Record) {
	r.Name, r.Type, r.SaidType, r.Hostname, r.IP, r.MAC = rec.Name, TypeOf(rec), rec.Type, rec.Hostname, rec.IP, rec.MAC
	r.Status, r.Reported, r.Version, r.Teleoperation = StatusOf(rec.Status), rec.Status, rec.Version, rec.Teleoperation
	r.SSHPort, r.Metadata = rec.SSHPort, rec.Metadata
	r.LastSeen = rec.LastSeen
}

// Differs says whether those who watch a robot are told: anything but times,
// counts and metadata is another.
func Differs(a, b Robot) bool { return a.shown() != b.shown() }

func (r Robot) shown() [13]any {
	return [13]any{
		r.ID, r.Name, r.Type, r.Hostname, r.IP, r.MAC, r.Status, r.Reported, r.SaidType, r.Version, r.Teleoperation, r.SSHPort, r.Lifecycle,
	}
}
