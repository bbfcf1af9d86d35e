package event

import "strings"

// ProbePrefix begins the ids and the users of synthetic data: of tests that run
// against a live system, and of the probes of a migration. Whoever sends a probe
// takes it back; the ledger counts apart what was left behind.
const ProbePrefix = "segue-probe-"

// HeaderProbe marks a message of a probe that has no id of ours.
const HeaderProbe = "Segue-Probe"

// IsProbe tells whether an id or a user is synthetic.
func IsProbe(name string) bool { return strings.HasPrefix(name, ProbePrefix) }
