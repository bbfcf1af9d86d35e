package driver

import (
	"errors"
	"strings"
)

// ErrNotMine: the lease's time ran out while this process was away. Whoever
// holds the lease now decides; nothing may be written any more.
var ErrNotMine = errors.New("the lease of this run has passed to another process")

// A Refusal says that a change cannot be made as asked, before anything was
// touched: what the live system would answer, and what would be right.
type Refusal struct {
	System string // the live system, "nats cluster aa"
	Reason string // with the server's own error code where there is one
	Remedy string // what to write instead
}

func (r *Refusal) Error() string {
	var b strings.Builder
	if r.System != "" {
		b.WriteString(r.System + ": ")
	}
	b.WriteString(r.Reason)
	if r.Remedy != "" {
		b.WriteString("; instead: " + r.Remedy)
	}
	return b.String()
}

// Kept is returned by an Undo that restored service and left something in
// place on purpose, harmless, because removing it would lose data.
type Kept struct {
	What string // "stream AA_DLQ, detached from its subjects"
	Cost string // "37 messages that arrived since"
	Hint string // the command that removes it once nobody needs it
	// Fields of Before that are therefore not restored: resource ID → fields;
	// "*" stands for all fields of the resource.
	Fields map[string][]string
	// Doubts are why it is not known that all is there that should be: with one,
	// no rollback is called verified.
	Doubts []string
}

func (k *Kept) Error() string {
	s := "kept " + k.What + ": " + k.Cost
	for _, doubt := range k.Doubts {
		s += "; " + doubt
	}
	if k.Hint != "" {
		s += " (" + k.Hint + ")"
	}
	return s
}
