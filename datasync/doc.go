// Package datasync brings records from one live system to another and keeps
// them in step, over the capabilities in driver: it knows no system.
//
// A sync reads pages of records from a source, makes of each what the sink is
// to hold (package mapping), and writes them in batches. What is written is
// keyed and has a version: to write a record again changes nothing, and an
// older one never takes the place of a newer. So a sync may stop anywhere and go
// on from its cursor, which is saved after what it stands for was written, and a
// record that is read twice, late or out of order does no harm.
//
// A record that cannot be taken over is kept aside with its reason, and counted;
// a step bears as many as it says, and fails with one more.
package datasync

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part { return []driver.Part{onceAction(), continuousAction()} }
