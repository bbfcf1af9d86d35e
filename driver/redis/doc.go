// Package redis changes and checks one Redis server, version 7 or newer.
//
// Opening a connection does not connect yet: a run must start while a server
// is away. Keys are found by SCAN, in small portions, and never by KEYS, which
// holds every other client up. What matches is a moving thing: services write
// keys all the time. So an action on keys is about those that are there when
// it starts, and shows how many are left to do only while there are some.
package redis

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{
		driver.Connects(driver.About{Name: kind, Doc: "A Redis server, and one of its databases.", Reads: readParams{}, Writes: writeParams{}}, open),
		pingCheck(),
		memoryCheck(),
		hitRatioCheck(),
		keysCheck(),
		expireAction(),
		clearAction(),
		configAction(),
	}
}

const kind = "redis"
