// Package fleet simulates the robots that Lekiwi's systems watch and the people
// who watch and drive them, and writes down what was sent and what became of it.
//
// The same seed gives the same robots and the same schedule: which robot says
// what when, who polls what, who drives whom and for how long. Only times and
// answers differ.
//
// It is open-loop: thing n of a kind is due at start + n/rate whatever the
// systems do, and latency counts from that moment, so a slow system cannot hide
// behind a fleet that waits for it. Robots are patient: a heartbeat that is not
// acknowledged is sent again, under the same message id or with the same content
// and time, before the robot's next one; so what a robot says arrives in order.
//
// Every heartbeat carries a Beat in its metadata: its own name, by which package
// ledger finds it wherever it went, and when it was due, by which a watcher
// knows how long its news took.
package fleet
