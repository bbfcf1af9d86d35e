// Package edge is what the drivers of an edge (NGINX, HAProxy) have in common,
// and the check that asks of any of them what each side really served.
//
// An edge splits traffic between two sides, the old and the new one. A split
// is by client: its key (a header, a cookie, its address) is hashed to one of
// ten thousand buckets, and the new side has those below its share. So a
// client stays where it is, and one that is on the new side is so at every
// larger share: going from 10 % to 25 % moves nobody back.
package edge

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part { return []driver.Part{shareCheck()} }
