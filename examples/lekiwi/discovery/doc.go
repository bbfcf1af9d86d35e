// Package discovery is the discovery-service: the new system's front door.
//
// Heartbeats come in over HTTP and WebSocket and go to the state-manager in
// batches over HTTP (package intake). HTTP, because the state-manager owns the
// event store and may be several: each of them takes any batch, and a batch that
// was brought to two of them is kept once. A broker between would be one more
// thing that can be away, and could lose nothing less.
//
// It has the legacy system's paths and answers in its words, so that a client
// need not know on which side of the edge it is. It keeps nothing but a copy of
// the list of robots, at most two seconds old; one robot is always asked for.
// Its /ws tells of changes as the websocket-monitor's does, for an edge that
// splits all paths alike.
//
// # Finding robots
//
// A robot that is heard of for the first time is taken on and asked who it is.
// With the flag event_driven_discovery that is done as it appears, told by the
// state-manager's changes; without it, by a sweep every 30 s. A sweep also asks
// those robots that have been silent for a minute, many at a time, and notes the
// silence of five. Several instances take a robot on once: the one whose event
// was the first does the asking. (With persistent_state off nobody knows yet
// which was the first, and each asks.)
package discovery
