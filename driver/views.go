package driver

import (
	"context"
	"time"
)

// A Viewer is a RecordReader that can sum its records up where they are, so
// that two places are compared without moving what is equal.
type Viewer interface {
	RecordReader
	// View looks at the records of a place as they are now; who opens it closes
	// it, and soon: what the system keeps for it grows meanwhile.
	View(ctx context.Context, place Place) (View, error)
}

// A View is the records of one place as they were at one moment.
type View interface {
	// ID is the place's canonical identity.
	ID() string
	// At is the moment, by the system's own clock.
	At() time.Time
	// Fields are what records have, in their order.
	Fields() []ViewField
	// Key are the fields that tell records apart; nil where the system does not
	// say.
	Key() []string
	// Dialect is equal for views that write what is equal as equal text. Of equal
	// dialects, views with equal Hash also sum up equal text to equal digests
	// without Form.Portable.
	Dialect() (dialect, hash string)
	// Groups counts the records by fields, as their texts; nil is no value.
	Groups(ctx context.Context, by []string) ([]Group, error)
	// Sums counts the records of each of 2^bits buckets and sums their digests
	// up; what is not there has none. within is nil, or the buckets of fewer bits
	// to which it confines itself.
	Sums(ctx context.Context, form Form, bits int, within *Buckets) (map[uint64]Sum, error)
	// Digests hands over the digests of the records in buckets, ordered by Order.
	Digests(ctx context.Context, form Form, within Buckets, take func(Digest) error) error
	// Look gives, for each key, the records that have it: more than one where the
	// key does not tell them apart. Records come as in Digests.
	Look(ctx context.Context, form Form, keys [][]string) ([]Seen, error)
	// Close lets the moment go.
	Close() error
}

// A ViewField is one field of a View's records.
type ViewField struct {
	Name string
	Kind FieldKind
	Type string // the system's own word for it
}

// A FieldKind is what values of a field are.
type FieldKind string

// Kinds of fields. What is of none of these has the system's own type as its kind.
const (
	WholeNumber   FieldKind = "whole number"
	DecimalNumber FieldKind = "decimal number"
	BinaryNumber  FieldKind = "floating-point number"
	Instant       FieldKind = "instant"           // a point in time
	LocalTime     FieldKind = "time without zone" // of a day somewhere
	Document      FieldKind = "JSON"
	Text          FieldKind = "text"
)

// A Form says what of a record counts, and as what.
type Form struct {
	Key    []FormField
	Fields []FormField
	// Portable takes the slower digest that does not depend on the server's
	// build and encoding.
	Portable bool
}

// A FormField is a field, with the kind in which both sides are written: what is
// equal as that is equal, 1 and 1.0 as numbers, 12:00Z and 13:00+01:00 as instants.
// "" leaves it as its system writes it.
type FormField struct {
	Name string
	As   FieldKind
}

// Buckets are some of 2^Bits parts into which records fall by their key.
type Buckets struct {
	Bits int
	Of   []uint64
}

// A Sum is how many records there are, and the sum of their digests.
type Sum struct {
	Records int64
	Digest  string
}

// A Group is how many records have these values.
type Group struct {
	By      []*string
	Records int64
}

// A Digest is one record, as its key and the digest of its form.
type Digest struct {
	Key   []string
	Order []byte // of the key; equal for equal keys on any side
	Of    int64
}

// Seen is one record that was looked for.
type Seen struct {
	Key    []string
	Values []*string // by Form.Fields, in its form; nil is no value
}
