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
// How many replicas run is process.scale's: it starts and stops what is defined,
// and defines nothing. What the project defines as disabled, and is stopped, the
// other actions change without starting it, so a service can be made ready and
// then scaled up. They all own the same field, which replicas are
// stopped, so what one leaves is no drift to another, and steps that are undone
// in reverse find it as they left it. process.remove takes a stopped service out.
//
// process-compose has no call that changes a definition and leaves the process
// alone, so what a replica's definition says and what it runs with are never
// apart. To change one, it is stopped, and then started by the update (see
// replace.go for why these are two calls). A crash of Segue between the two
// leaves that one replica stopped; the state shows it, and resuming or undoing
// starts it again. The end of a context does not leave it so.
//
// Each start by Segue is an update, and begins the replica's log anew.
//
// What an update changed lives in process-compose's memory: its restart, or a
// reload of its project, brings the file's definitions back.
package process

import "github.com/segue-run/segue/driver"

// kind is the kind of connection.
const kind = "process"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{connection(), envAction(), deployAction(), restartAction(), scaleAction(), removeAction(), statusPart(), logsPart()}
}
