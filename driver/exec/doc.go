// Package exec runs commands: the way to what has no driver of its own. A
// command is an argv, never a shell string.
//
// A step that changes something by a command tells how it is taken back
// (exec), or is a point of no return (exec.irreversible); and it tells by a
// command of its own how to see whether it was done. A command inherits only
// PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR of Segue's environment, which
// may hold secrets: the rest is named in env.
package exec

import "github.com/segue-run/segue/driver"

// Parts are what this driver brings to the catalog.
func Parts() []driver.Part {
	return []driver.Part{changeAction(), irreversibleAction(), checkCheck()}
}
