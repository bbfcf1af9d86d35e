package legacy

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

// fleet is all that the legacy system knows. Its lock is the one lock.
type fleet struct {
	mu          sync.Mutex
	robots      map[string]robot.Record
	deployments []api.Deployment // oldest first
	changes     int64
	tell        func([]api.Change) // watchers; not to block
}

func newFleet(tell func([]api.Change)) *fleet {
	return &fleet{robots: map[string]robot.Record{}, tell: tell}
}

// take takes a record over; the caller has the lock.
func (f *fleet) take(r robot.Record, now time.Time) {
	if r.LastSeen.IsZero() {
		r.LastSeen = robot.At(now)
	}
	before, known := f.robots[r.ID]
	f.robots[r.ID] = r
	if known && before.Version != r.Version && before.Version != "" && r.Version != "" {
		f.deployments = append(f.deployments, api.Deployment{RobotID: r.ID, From: before.Version, To: r.Version, At: robot.At(now)})
		f.deployments = f.deployments[max(0, len(f.deployments)-api.MaxDeployments):]
	}
	was, is := f.shown(before), f.shown(r)
	if known && !robot.Differs(was, is) {
		return
	}
	f.changes++
	is.Seq = f.changes
	f.tell([]api.Change{{Seq: f.changes, Kind: robot.Heartbeat, RobotID: r.ID, Robot: &is}})
}

// shown is a record as watchers are told of it. The legacy system knows no
// lifecycle.
func (f *fleet) shown(r robot.Record) robot.Robot {
	return robot.Robot{
		ID: r.ID, Name: r.Name, Type: robot.TypeOf(r), SaidType: r.Type, Hostname: r.Hostname, IP: r.IP, MAC: r.MAC,
		Status: robot.StatusOf(r.Status), Reported: r.Status, Version: r.Version, Teleoperation: r.Teleoperation,
		SSHPort: r.SSHPort, Metadata: r.Metadata, LastSeen: r.LastSeen,
	}
}

func (f *fleet) remove(id string) (existed bool) {
	if _, existed = f.robots[id]; !existed {
		return false
	}
	delete(f.robots, id)
	f.changes++
	f.tell([]api.Change{{Seq: f.changes, Kind: robot.Deleted, RobotID: id}})
	return true
}

func (f *fleet) list() api.Robots {
	out := api.Robots{Robots: make([]robot.Record, 0, len(f.robots)), Total: len(f.robots)}
	for _, r := range f.robots {
		out.Robots = append(out.Robots, r)
	}
	slices.SortFunc(out.Robots, func(a, b robot.Record) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (f *fleet) count() api.Count {
	c := api.NewCount()
	for _, r := range f.robots {
		c.Add(robot.TypeOf(r), r.Status, r.Teleoperation)
	}
	return c
}

func (f *fleet) newestDeployments() api.Deployments {
	out := slices.Clone(f.deployments)
	slices.Reverse(out)
	if out == nil {
		out = []api.Deployment{}
	}
	return api.Deployments{Deployments: out}
}
