// Package robot holds the words that Lekiwi's services share: a robot as the
// legacy system records it (Record), as the new system knows it (Robot), and
// the events of which the second is made from the first.
//
// Nothing here does I/O or asks the clock. Fold alone says what an event makes
// of a robot: the state-manager uses it as events come in and again when it
// builds the read model anew, so both give the same robots.
//
// Two clocks are kept apart. LastSeen is what the robot says of itself, and may
// be wrong by hours; HeardAt is when a server of ours heard it, and whether a
// robot is silent goes by that.
package robot
