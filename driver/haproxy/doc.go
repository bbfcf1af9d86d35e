// Package haproxy steers the split of a HAProxy through its runtime API, while
// it runs: no reload, and no request fails.
//
// HAProxy's own weights are no split by client: with them a client wanders
// (roundrobin), or comes back when the share grows (map-based hashing), or the
// shares are only roughly those asked for (consistent hashing). So the
// frontend hashes each request's key to one of ten thousand buckets and
// compares it with a number in a map: the new side's share. The lines it takes
// are in docs/edge.md, and in the refusal of a HAProxy that lacks them.
//
// The number lives twice: in HAProxy's memory, which decides, and in the map's
// file, which HAProxy reads when it starts or reloads. A change writes the
// file first and then sets the memory; what differs is drift.
package haproxy

import "github.com/segue-run/segue/driver"

const kind = "haproxy"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part { return []driver.Part{connection(), splitAction()} }
