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
	// SeedPorts takes the ports of the seed instead of free ones.
	SeedPorts bool
	// Bin holds the executables athlete-ally, nats-server and process-compose.
	// Empty means the folder of this executable, then PATH.
	Bin string
	// Release is what the services say they are; empty means "dev".
	Release string
	// Mode is EVENT_STREAM_MODE of normalize; empty means multi.
	Mode string
}

// nodes is the size of the NATS cluster, instances the number of normalizes.
const (
	nodes     = 3
	instances = 2
)

type ports struct {
	client, route, monitor [nodes]int
	postgres, prometheus   int
	ingest                 int
	normalize, metrics     [instances]int
}

// each lists every port there is to fill, in a fixed order.
func (p *ports) each() []*int {
	all := []*int{&p.postgres, &p.prometheus, &p.ingest}
	for i := range nodes {
		all = append(all, &p.client[i], &p.route[i], &p.monitor[i])
	}
	for i := range instances {
		all = append(all, &p.normalize[i], &p.metrics[i])
	}
	return all
}

// seedPorts are the seed's own. Its three NATS nodes are three hosts with one
// port; on one host they take 4223 to 4225, and the second normalize the next
// port after the first.
func seedPorts() (ports, error) {
	p := ports{
		client: [nodes]int{4223, 4224, 4225}, route: [nodes]int{6223, 6224, 6225}, monitor: [nodes]int{8223, 8224, 8225},
		postgres: 5432, prometheus: 9090, ingest: 4101,
		normalize: [instances]int{4102, 4103}, metrics: [instances]int{9464, 9465},
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

func freePorts() (ports, error) {
	var p ports
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
