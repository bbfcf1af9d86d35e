// Package ledger compares what a fleet was told with what Lekiwi's systems hold.
// It asks no service that could be wrong in the same way: it reads the fleet's
// journal, the tables of the new system, and the legacy system's list of robots.
//
// A heartbeat is known by the mark in its metadata (fleet.Beat), whatever key
// the system gave its event. It is lost when it was acknowledged and is no
// event, and doubled when it is two. A robot is stale where the state is older
// than what it last had acknowledged, and differs where the state says something
// that the robot did not say with that heartbeat. The events are folded once
// more, and what comes out must be the read model.
//
// Behind an edge that splits the traffic, what the legacy system acknowledged is
// no event: then only heartbeats that were acknowledged as durable must be, and
// for the others the state speaks.
package ledger
