// Package shadow speaks to a running segue tee: it has copies of live requests
// compared with the live system, and judges what became of the copies and what
// the comparison has shown.
//
// The tee does the work, as it outlives a run and has the copies; an action only
// tells it what to compare, and keeps it told.
package shadow

import "github.com/segue-run/segue/driver"

// Parts are what it brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{connection(), compareAction(), processedCheck(), alikeCheck()}
}
