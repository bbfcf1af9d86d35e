package system

import "fmt"

// Environments of Options.
const (
	// Production is the system before the migration: one stream, on three nodes.
	Production = "production"
	// Staging is what the next release is tried on: the topology after the
	// migration, on one node.
	Staging = "staging"
)

// shape is how large an environment is and what it runs.
type shape struct {
	nodes     int // of NATS, and so replicas of each stream
	instances int // of normalize
	green     int // instances of normalize-green, which are not started
	// prometheus is left out where it would take longer than all the rest.
	prometheus bool
	// app is the build that ingest and normalize run.
	app string
	// cluster is the name of the NATS cluster, or of the one node.
	cluster string
	streams []stream
}

func (o Options) shape() (shape, error) {
	switch o.Environment {
	case "", Production:
		return shape{nodes: 3, instances: 2, green: 2, prometheus: true, app: binApp, cluster: "athlete-ally", streams: before()}, nil
	case Staging:
		return shape{nodes: 1, instances: 1, app: binNext, cluster: "athlete-ally-staging", streams: after()}, nil
	}
	return shape{}, fmt.Errorf("there is no environment %q: take %s or %s", o.Environment, Production, Staging)
}

// prefix tells the variables of staging from those of production, so that one
// shell can hold both.
func prefix(environment string) string {
	if environment == Staging {
		return "STAGING_"
	}
	return ""
}
