// Package relay is the pair of hands that carries messages over the gap in a
// handover: it hears all that is published on a space of subjects, tells by
// probes which stream has stored what of it, forwards what no stream took, and
// keeps a ledger of it all.
//
// A probe is a publish that the owning stream must refuse, naming itself and
// its exact last sequence. An aligned probe is heard by the relay too: it
// divides what was published in the same place for both. That holds because
// the relay is connected to the server that leads the stream, and hears
// probes, messages and answers on one connection and in one order.
//
// What was heard, what was stored and what the ledger makes of them are plain
// values: comparing them does no I/O.
package relay
