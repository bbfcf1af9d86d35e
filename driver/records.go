package driver

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// A Record is one of a live system's, as plain data by field: nil, bool, int64,
// float64, json.Number, string, []byte, time.Time, lists and maps of these. A
// field that is not there and one that is nil mean the same.
type Record = map[string]any

// A RecordReader is a connection to a system that holds records.
type RecordReader interface {
	Conn
	// Source opens a place to read records from; who opens it closes it.
	Source(ctx context.Context, place Place) (RecordSource, error)
}

// A RecordSource hands over the records of one place.
type RecordSource interface {
	// ID is the place's canonical identity.
	ID() string
	// Read hands the records after a position to take, in pages of at most size
	// (0: as is fast), until there are no more; nil is before the first. An error
	// of take ends it, and is returned as it is. What others change meanwhile may
	// be handed over as before, as after, or twice.
	Read(ctx context.Context, after Position, size int, take func(Page) error) error
	// Count is how many records there are; known is false where nobody can tell.
	Count(ctx context.Context) (n int64, known bool, err error)
	// Close releases what opening took.
	Close() error
}

// A Burdened source tells how those whom it serves fare.
type Burdened interface {
	RecordSource
	Burden(ctx context.Context) (Burden, error)
}

// A Burden is what a system bears just now.
type Burden struct {
	LockWaits  int           // sessions that wait for a lock
	ReplicaLag time.Duration // of the replica that is furthest behind
	// Hidden says why the lag cannot be seen, and what would show it; nil where it
	// can.
	Hidden error
}

// A BulkSource can hand over its records as a stream that a BulkSink of the same
// form takes as it is, much faster than one by one.
type BulkSource interface {
	RecordSource
	// Form names the form of the stream.
	Form() string
	// Fields are what records have, in order.
	Fields(ctx context.Context) ([]string, error)
	// Dump writes these fields of up to most records after a position to w, and
	// returns how many there were and the position after them.
	Dump(ctx context.Context, after Position, fields []string, most int, w io.Writer) (n int64, next Position, err error)
}

// A BulkSink takes streams of records.
type BulkSink interface {
	RecordSink
	// Form names the form of the stream.
	Form() string
	// Load takes over a stream like Write a batch; whatever is wrong with one of
	// its records, none is taken. read is how many the stream had.
	Load(ctx context.Context, mine func() error, fields []string, r io.Reader) (read, changed int64, err error)
}

// A Follower is a source that tells what changes, in the order of its commits.
type Follower interface {
	RecordSource
	// Begin opens a log of changes under a name, if there is none: what is
	// committed after it was opened stands in it, until End. It returns the
	// position from which the log is kept. mine is Effect.Mine.
	Begin(ctx context.Context, mine func() error, name string) (Position, error)
	// Log is how the log under a name stands.
	Log(ctx context.Context, name string) (Log, error)
	// Follow hands what stands in the log after a position to take, as it comes,
	// until ctx ends. take returns the position up to which nothing needs to be
	// told again. A log that has been lost, or is no longer where it was, is an
	// error: then something is missing.
	Follow(ctx context.Context, name string, after Position, take func(Changes) (kept Position, err error)) error
	// End closes the log; that there is none is fine.
	End(ctx context.Context, mine func() error, name string) error
}

// A Log is how a log of changes stands.
type Log struct {
	Open   bool
	Behind int64 // bytes that the source keeps for it
}

// Changes are some of a log, in order.
type Changes struct {
	Changes []Change
	// Next is the position after them; nil in the middle of a transaction.
	Next Position
	// Fresh is when all that was committed before was told; zero when that is not
	// known.
	Fresh time.Time
}

// A Change is a record as it is now, or, if it is gone, its key.
type Change struct {
	Record Record
	Gone   bool
}

// A Position is a place between two records of a source, in its own words.
type Position = json.RawMessage

// A Page is some of a source's records, in its order.
type Page struct {
	Records []Record
	// Bad could not be read as records.
	Bad []BadRecord
	// Next is the position after them; nil where the source knows none, and
	// whoever goes on begins again.
	Next Position
	// Took is how long the source took to answer.
	Took time.Duration
}

// A BadRecord is one that cannot be taken over as it is.
type BadRecord struct {
	Record any    // as far as it could be read
	Field  string // that is wrong; "" for all of it
	Reason string
}

// A RecordWriter is a connection to a system that takes records.
type RecordWriter interface {
	Conn
	// Sink opens a place to write records to; who opens it closes it.
	Sink(ctx context.Context, place Place, shape Shape) (RecordSink, error)
}

// A RecordKeeper is a connection to a system that gives back what it has where
// records are written, by the same place.
type RecordKeeper interface {
	RecordWriter
	// Kept opens a place to write records to for reading; who opens it closes it.
	// Its ID is that of the sink's resource. A record that is not where a sink would
	// write it is a bad one.
	Kept(ctx context.Context, place Place) (RecordSource, error)
}

// A Shape says what the records of a sink look like.
type Shape struct {
	Key []string // the fields that tell records apart
	// Version is the field that grows with each change of a record: a sink never
	// puts one in the place of one that is as new or newer. "" where there is
	// none: then the last one written counts.
	Version string
	// Fields are all that records may have; nil where only they say it.
	Fields []string
	// Partial leaves the fields that a record does not have as they are, where it
	// is there already; one that is nil is taken away.
	Partial bool
}

// A RecordSink takes records at one place.
type RecordSink interface {
	// Resource is what is written.
	Resource() Resource
	// Write takes over records of different keys, all or none of those that it
	// does not refuse; to take them again changes nothing. mine is Effect.Mine.
	Write(ctx context.Context, mine func() error, batch Batch) (Written, error)
	// Delete takes records away by their keys, and returns how many were there.
	// One that is newer than the version given with its key stays.
	Delete(ctx context.Context, mine func() error, keys []Record) (deleted int64, err error)
	// Close releases what opening took.
	Close() error
}

// A Batch is records to write.
type Batch struct {
	Records []Record
	// Of is how many records the source has; 0 when that is not known.
	Of int64
}

// Written is what became of a batch.
type Written struct {
	// Changed is how many records are there now, or are others than before. Those
	// that are neither in Changed nor in Refused were there already, as new or newer.
	Changed int64
	// Refused will never be taken as they are: by their index in the batch.
	Refused map[int]BadRecord
}
