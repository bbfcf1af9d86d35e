package driver

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A Dumper is a connection to a system whose content can be put into files.
type Dumper interface {
	Conn
	// ID is the canonical identity of what is dumped.
	ID(ctx context.Context) (string, error)
	// Dump puts all of it into dir, which is empty, as it is at one moment, and
	// reads it back: what it returns is whole. It changes nothing of the system.
	Dump(ctx context.Context, dir string) (Dump, error)
	// Prove restores what Dump put into dir in an instance of its own, which it
	// throws away, and compares that with what was dumped. The system itself is
	// not asked. What cannot be restored is an error; one that wraps ErrNoInstance
	// says that it cannot be told.
	Prove(ctx context.Context, dir string, d Dump) error
}

// A Restorer is a Dumper that can bring a dump back beside what is live.
type Restorer interface {
	Dumper
	// Restoring makes the action that restores the newest good dump under another
	// name, into, where nobody works yet. It must not exist, or be empty.
	Restoring(ctx context.Context, from Dumps, into string) (Action, error)
}

// A Returner is a Dumper that can bring a dump back where it was.
type Returner interface {
	Dumper
	// Returning makes the action that restores the newest good dump. only are those
	// of Dump.Counts that are restored; empty for all. What is live there and is not
	// put aside, so that Undo has it, is not replaced: it is refused.
	Returning(ctx context.Context, from Dumps, only []string) (Action, error)
}

// Dumps are directories that a Dumper's Dump has written.
type Dumps struct {
	Dir string // that all of them are in
	// Good is the newest that is whole and not forged.
	Good func(ctx context.Context) (dir string, err error)
	// All are all of them, good or not, the newest first.
	All func() (dirs []string, err error)
	// Check says why one of them is not whole, or forged; nil if it is good.
	Check func(ctx context.Context, dir string) error
}

// ErrNoInstance: there is nothing here in which a dump could be restored, such as
// a server's program. It says nothing of the dump.
var ErrNoInstance = errors.New("nothing here can restore it")

// A Dump says what is in the files that a Dumper wrote.
type Dump struct {
	ID     string `json:"id"`     // of what was dumped
	Server string `json:"server"` // its version
	// Tools are the versions of the programs that wrote it, by their names.
	Tools map[string]string `json:"tools,omitempty"`
	Taken time.Time         `json:"taken"` // what was there before is in it
	// Counts is how much there is of what: rows by table, keys by database,
	// messages by stream.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Detail is what the driver needs to prove it.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Total is how much there is of everything.
func (d Dump) Total() (n int64) {
	for _, of := range d.Counts {
		n += of
	}
	return n
}
