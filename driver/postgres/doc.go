// Package postgres changes and checks PostgreSQL databases.
//
// A database's canonical identity is its cluster's system identifier and its
// name, so that it is the same over a socket, a pooler or another address.
// Opening a connection does not connect yet: a run must start, and roll back,
// while a database is away. What only reads runs in read-only transactions.
package postgres

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{
		driver.Connects(driver.About{Name: kind, Doc: "A PostgreSQL database.", Reads: readParams{}, Writes: writeParams{}}, open),
		sqlCheck(),
		pingCheck(),
		poolCheck(),
		sessionsCheck(),
		backupCheck(),
		backupAction(),
		restoreAction(),
		changeAction(),
		terminateAction(),
		settingAction(),
		irreversibleAction(),
	}
}

const kind = "postgres"
