package fleet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// The streams of chance, so that each part of the schedule is the same whatever
// the others are.
const (
	streamRobots = iota + 0x1e41
	streamBeats
	streamDrives
	streamPolls
	streamWatchers
)

// Beat is what one heartbeat says of itself, in its metadata.
type Beat struct {
	// ID names it: the run, the robot's place in the fleet and its count.
	ID string `json:"beat"`
	// Due is when it was to be sent, in Unix nanoseconds of the fleet's clock.
	Due int64 `json:"due"`
}

// BeatOf reads the mark of a heartbeat; false in what no fleet sent.
func BeatOf(metadata []byte) (Beat, bool) {
	var b Beat
	err := json.Unmarshal(metadata, &b)
	return b, err == nil && b.ID != ""
}

// beats is the sequence of a seed's heartbeats: the robots report one after the
// other, in an order of their own, and begin again.
type beats struct {
	rng    *rand.Rand
	run    string
	rate   float64
	robots []Robot
	order  []int
	next   int
	states []state
	drives *drives // which robots are driven at what time
}

// state is what a robot's heartbeats say besides what never changes.
type state struct {
	n       int
	status  robot.Reported
	version int
}

func newBeats(cfg Config, robots []Robot) *beats {
	rng := rand.New(rand.NewPCG(cfg.Seed, streamBeats))
	b := &beats{rng: rng, run: cfg.Run, rate: cfg.Heartbeats, robots: robots, order: rng.Perm(len(robots)), states: make([]state, len(robots)), drives: newDrives(cfg, robots)}
	for i := range b.states {
		b.states[i] = state{status: robot.Running, version: rng.IntN(3)}
	}
	return b
}

// heartbeat is one thing that a robot says.
type heartbeat struct {
	robot int
	Sent
	record robot.Record
}

// draw gives heartbeat number next, which is due at a time.
func (b *beats) draw(due time.Time) *heartbeat {
	i := b.order[b.next%len(b.order)]
	offset := time.Duration(float64(b.next) / b.rate * float64(time.Second))
	b.next++
	r, s := &b.robots[i], &b.states[i]
	switch x := b.rng.IntN(100); {
	case s.n == 0:
	case x < 3:
		s.status = []robot.Reported{robot.Stopped, robot.ReportedFailed, robot.ReportedUnknown, "rebooting"}[b.rng.IntN(4)]
	case x < 4:
		s.status = robot.Updating
	case x < 20 && s.status == robot.Updating: // and is done
		s.status = robot.Running
		s.version++
	case x < 20:
		s.status = robot.Running
	}
	h := &heartbeat{robot: i, record: r.Says, Sent: Sent{
		Kind: Heartbeat, ID: fmt.Sprintf("%s/%d/%d", b.run, i, s.n), Robot: r.Key, N: s.n, Via: r.Via, Due: due.UnixNano(),
		Status: s.status, Version: fmt.Sprintf("1.%d.0", s.version), Teleoperation: b.drives.driven(i, offset),
	}}
	s.n++
	h.record.Status, h.record.Version, h.record.Teleoperation = h.Status, h.Version, h.Teleoperation
	if r.Odd != NoClock {
		h.LastSeen = robot.At(due.Add(r.Skew))
		h.record.LastSeen = h.LastSeen
	}
	raw, err := json.Marshal(Beat{ID: h.ID, Due: h.Due})
	if err != nil {
		panic(err) // a plain struct of our own
	}
	h.record.Metadata = raw
	return h
}

// messageID is under which a heartbeat is sent, and sent again.
func (h *heartbeat) messageID(odd Odd) string {
	if odd == NoMessageID {
		return ""
	}
	return h.ID
}
