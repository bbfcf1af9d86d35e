// Package process changes services that process-compose keeps, over its REST
// API: what they run, with which environment, and that they run it. The
// orchestrator and its services outlive Segue; nothing here stops them.
//
// A service is one process or several that do the same: NAME, NAME-0, NAME-1 …;
// where nothing is called so, all processes of the namespace NAME. They are its
// replicas.
//
// A change goes over the replicas one after the other. One that works is
// replaced only while another one does, so a service of two or more is never
// without. What works is asked of the replica itself where it has a URL for
// that: the parameter health, or its own readiness probe over HTTP; otherwise
// the orchestrator's word must do.
//
// process-compose has no call that changes a definition and leaves the process
// alone: an update stops, replaces and starts in one. So what a replica's
// definition says and what it runs with are never apart, except while it is
// stopped or being replaced, and both of that the state shows.
package process

import "github.com/segue-run/segue/driver"

// kind is the kind of connection.
const kind = "process"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{connection(), envAction()}
}
