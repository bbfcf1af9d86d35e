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
	// Environment is Production, which empty means too, or Staging.
	Environment string
	// SeedPorts takes the ports of the seed, which are production's, instead of
	// free ones.
	SeedPorts bool
	// Bin holds the executables athlete-ally, athlete-ally-phase2, nats-server
	// and process-compose. Empty means the folder of this executable, then PATH.
	Bin string
	// Release is what ingest and normalize say they are; empty leaves it to
	// their build. It is not said to normalize-green.
	Release string
	// Mode is EVENT_STREAM_MODE of normalize; empty means multi.
	Mode string
}

type ports struct {
	client, route, monitor []int // of the NATS nodes
	postgres, prometheus   int
	ingest                 int
	normalize, metrics     []int // of the instances of normalize
	green, greenMetrics    []int // of those of normalize-green
}

func newPorts(sh shape) ports {
	return ports{
		client: make([]int, sh.nodes), route: make([]int, sh.nodes), monitor: make([]int, sh.nodes),
		normalize: make([]int, sh.instances), metrics: make([]int, sh.instances),
		green: make([]int, sh.green), greenMetrics: make([]int, sh.green),
	}
}

// each lists every port there is to fill.
func (p *ports) each() []*int {
	all := []*int{&p.postgres, &p.prometheus, &p.ingest}
	for _, list := range [][]int{p.client, p.route, p.monitor, p.normalize, p.metrics, p.green, p.greenMetrics} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// choosePorts finds a port for everything.
func choosePorts(opt Options, sh shape) (ports, error) {
	switch {
	case !opt.SeedPorts:
		return freePorts(newPorts(sh))
	case opt.Environment == Staging:
		return ports{}, errors.New("the seed's ports are production's: bring staging up without --seed-ports")
	}
	return seedPorts()
}

// seedPorts are the seed's own. Its three NATS nodes are three hosts with one
// port; on one host they take 4223 to 4225, and each further normalize the next
// port after the one before.
func seedPorts() (ports, error) {
	p := ports{
		client: []int{4223, 4224, 4225}, route: []int{6223, 6224, 6225}, monitor: []int{8223, 8224, 8225},
		postgres: 5432, prometheus: 9090, ingest: 4101,
		normalize: []int{4102, 4103}, metrics: []int{9464, 9465},
		green: []int{4104, 4105}, greenMetrics: []int{9466, 9467},
	}
	for _, port := range p.each() {
		if !free(*port) {
			return ports{}, fmt.Errorf("port %d of the seed is taken: stop what listens there, or leave --seed-ports out", *port)
		}
	}
	return p, nil
}

// Free ports come from below the range that the kernel gives to outgoing
// connections: a node that is stopped for a while finds its port free.
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
			n := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // no secret
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
