package driver

import (
	"bytes"
	"context"
	"reflect"
)

// A MessageStore is a connection to streams of messages.
type MessageStore interface {
	Conn
	// StreamID is a stream's canonical identity.
	StreamID(stream string) string
	// Streams lists all streams. It fails when not every stream is heard of.
	Streams(ctx context.Context) ([]Stream, error)
	// Latest is the last message on a subject of a stream; nil if there is
	// none, or no such stream.
	Latest(ctx context.Context, stream, subject string) (*Message, error)
	// Find is the first message on a subject of a stream that was stored after
	// a sequence and carries a mark; nil if there is none up to looked, or no
	// such stream. It keeps up with a stream of many messages.
	Find(ctx context.Context, stream, subject string, after uint64, mark string) (found *Message, looked uint64, err error)
	// DeleteMessage deletes one message; one that is not there is deleted. mine
	// is Effect.Mine.
	DeleteMessage(ctx context.Context, mine func() error, stream string, seq uint64) error
}

// An Acknowledger is a MessageStore that knows its consumers.
type Acknowledger interface {
	// Acknowledged reports whether a consumer has acknowledged a message of its
	// stream. It may be late to say so, while one before it is not acknowledged.
	// left says, for people, what it has yet to do.
	Acknowledged(ctx context.Context, stream, consumer string, seq uint64) (done bool, left string, err error)
}

// A Stream holds messages, each under a sequence.
type Stream struct {
	Name   string
	Last   uint64 // sequence of the message stored last
	Mirror bool   // all it holds are copies of another stream's messages
}

// A Message is one that a stream has stored.
type Message struct {
	Stream, Subject string
	Seq             uint64
	Copy            bool // taken over from another stream, which names itself in it
	Header, Data    []byte
}

// Carries reports whether mark stands in the headers or in the payload.
func (m *Message) Carries(mark string) bool {
	return bytes.Contains(m.Header, []byte(mark)) || bytes.Contains(m.Data, []byte(mark))
}

// A RowStore is a connection to a database that speaks SQL.
type RowStore interface {
	Conn
	// ID is the database's canonical identity.
	ID(ctx context.Context) (string, error)
	// Rows is what a query gives, which changes nothing: the columns' names in
	// order, and the rows by them, as plain data.
	Rows(ctx context.Context, query string, args []any) (columns []string, rows []map[string]any, err error)
	// Execute runs statements in one transaction and returns how many rows they
	// affected. Each statement takes as many of args, from the first on, as it
	// has places for. mine is Effect.Mine.
	Execute(ctx context.Context, mine func() error, statements []string, args []any) (affected int64, err error)
}

// Numbers is a connection to a source of measurements.
type Numbers interface {
	Conn
	// Number is the one number that a query gives. ok is false when there is
	// no data for it; several numbers, NaN or old data are errors.
	Number(ctx context.Context, query string) (value float64, ok bool, err error)
}

// An Edge is a connection to what splits requests among sides.
type Edge interface {
	Conn
	// Served is how many requests each of these sides has answered, counted
	// where they passed, and not by what the configuration says.
	Served(ctx context.Context, sides []string) (Served, error)
}

// Served are counts that only grow as long as Since stays the same.
type Served struct {
	Sides map[string]float64
	Since string
	Query string // what was asked, for people
	Hint  string // what may keep requests from being counted
}

// abilities are what connections may provide, under the words that people are
// told.
var abilities = []struct {
	word string
	is   reflect.Type
}{
	{"messages", reflect.TypeFor[MessageStore]()},
	{"rows", reflect.TypeFor[RowStore]()},
	{"numbers", reflect.TypeFor[Numbers]()},
	{"sides", reflect.TypeFor[Edge]()},
	{"logs", reflect.TypeFor[LogKeeper]()},
	{"dumps", reflect.TypeFor[Dumper]()},
	{"restores", reflect.TypeFor[Restorer]()},
	{"restores-in-place", reflect.TypeFor[Returner]()},
	{"records", reflect.TypeFor[RecordReader]()},
	{"room-for-records", reflect.TypeFor[RecordWriter]()},
	{"notices", reflect.TypeFor[Notifier]()},
	{"incidents", reflect.TypeFor[Pager]()},
}

// abilityOf panics on a type that is none, which is a programming error.
func abilityOf(t reflect.Type) string {
	for _, a := range abilities {
		if a.is == t {
			return a.word
		}
	}
	panic("driver: no kind of connection can be asked for a " + t.String())
}

// providedBy lists the abilities of a driver's type of connection.
func providedBy(conn reflect.Type) []string {
	var out []string
	for _, a := range abilities {
		if conn.Implements(a.is) {
			out = append(out, a.word)
		}
	}
	return out
}
