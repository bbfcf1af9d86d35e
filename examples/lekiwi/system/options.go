package system

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Options says where and how a system comes up.
type Options struct {
	// Dir is the system's directory; it must not exist or be empty. Empty means
	// a new one under the temporary directory.
	Dir string
	// SeedPorts takes the seed's ports instead of free ones.
	SeedPorts bool
	// Bin holds the executables lekiwi and process-compose. Empty means the
	// folder of this executable, then PATH.
	Bin string
	// Release is what the services say they are; empty leaves it to their build.
	Release string
	// LegacyOnly leaves the new system's services stopped, as they are before a
	// migration: the legacy system serves, and the new one's stores and its
	// tracker are there.
	LegacyOnly bool
	// Faults lets services do wrong what DIR/conf/faults.json says (see
	// service.Faults), for drills.
	Faults bool
}

// How many instances of the services that are scaled there can be. Of each, the
// first runs from the start.
const (
	Discoveries   = 3
	StateManagers = 2
)

type ports struct {
	postgres, redis, prometheus int
	edge, edgeControl           int // of NGINX, and one that is left for Segue
	shadow, shadowStatus        int // left for a tee
	legacy                      int
	discovery                   [Discoveries]int
	state                       [StateManagers]int
	monitor, monitorWS          int
	teleoperation, tracker      int
	fleet                       int // left for the fleet: where robots are asked
}

// each lists every port there is to fill.
func (p *ports) each() []*int {
	all := []*int{
		&p.postgres, &p.redis, &p.prometheus, &p.edge, &p.edgeControl, &p.shadow, &p.shadowStatus, &p.legacy, &p.monitor, &p.monitorWS,
		&p.teleoperation, &p.tracker, &p.fleet,
	}
	for i := range p.discovery {
		all = append(all, &p.discovery[i])
	}
	for i := range p.state {
		all = append(all, &p.state[i])
	}
	return all
}

// choosePorts finds a port for everything.
func choosePorts(opt Options) (ports, error) {
	if !opt.SeedPorts {
		return freePorts(ports{})
	}
	return seedPorts()
}

// seedPorts are the seed's own. NGINX needs a right for port 80 that nobody has
// here, so it takes 8080. Further instances of a service, which are other
// containers on the same port there, take ports of their own.
func seedPorts() (ports, error) {
	p := ports{
		postgres: 5432, redis: 6379, prometheus: 9090, edge: 8080, edgeControl: 8999, shadow: 8998, shadowStatus: 8997,
		legacy: 8000, discovery: [...]int{8001, 8011, 8021}, state: [...]int{8002, 8012},
		monitor: 8003, monitorWS: 9001, teleoperation: 8004, tracker: 8005, fleet: 8006,
	}
	for _, port := range p.each() {
		if !free(*port) {
			return ports{}, fmt.Errorf("port %d of the seed is taken: stop what listens there, or leave --seed-ports out", *port)
		}
	}
	return p, nil
}

// Free ports come from below the range that the kernel gives to outgoing
// connections: a process that is stopped for a while finds its port free.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// freePorts fills those that are 0.
func freePorts(p ports) (ports, error) {
	taken := map[int]bool{}
	for _, port := range p.each() {
		for try := 0; *port == 0; try++ {
			if try == 1000 {
				return ports{}, errors.New("no free port on 127.0.0.1")
			}
			n := lowestPort + rand.IntN(highestPort-lowestPort)
			if !taken[n] && free(n) {
				*port, taken[n] = n, true
			}
		}
	}
	return p, nil
}

func free(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
