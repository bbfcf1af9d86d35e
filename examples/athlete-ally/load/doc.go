// Package load sends Athlete Ally a seeded mix of messages at a fixed rate and
// writes down what became of each.
//
// It is open-loop: message n is due at start + n/rate whatever the system does,
// and latency counts from that moment, so a slow system cannot hide behind a
// generator that waits for it.
//
// Messages go out on lanes. A lane is one publisher: it sends one message after
// the other and waits for its answer where there is one, so the order in which
// its messages ought to be stored is defined. The journal has one line for each
// message sent; package ledger compares it with the world.
package load
