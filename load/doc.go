// Package load puts a system under load and judges how it bears it.
//
// The load is an open loop: requests are due at times that are set before, and
// a latency is from that moment to the answer's last byte. So a system that
// stalls shows it in every request that was due meanwhile, where a client that
// waits for one answer before it asks again would have asked, and suffered,
// once: what Gil Tene calls coordinated omission cannot happen.
//
// Only what a connection of kind load names as a target is put under load.
package load

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part { return []driver.Part{connection(), loadCheck()} }
