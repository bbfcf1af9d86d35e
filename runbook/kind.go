package runbook

import "time"

// A Catalog says which connections, actions and checks exist. The runbook
// package knows no driver: it parses against what the Catalog describes.
type Catalog interface {
	// Kinds lists all kinds of a class, ordered by name.
	Kinds(Class) []Kind
	// Kind returns the named kind of a class.
	Kind(c Class, name string) (Kind, bool)
}

// Class is what a kind can be used as.
type Class string

const (
	Connection Class = "connection"
	Action     Class = "action"
	Check      Class = "check"
)

// A Kind describes one connection, action or check: its key in the runbook
// and the parameters beneath that key.
type Kind struct {
	Name   string // "nats.stream"
	Doc    string // one sentence; ends up in docs and JSON Schema
	On     string // the kind of connection its `on` must name; "" for none
	Fields []Field
	// Validate looks at decoded parameters where types are not enough
	// ("closed and subjects exclude each other"). It needs no live system.
	// Its errors may be *FieldError, to point at a parameter. May be nil.
	Validate func(Params) error `json:"-"`
	// Takes is how long one answer of a check takes by its parameters, which are
	// valid; nil where they do not say it.
	Takes func(Params) time.Duration `json:"-"`

	// Drains reports, of background work by its parameters, whether its undo brings
	// over what is still to come: how far behind it is says what a rollback costs.
	// Nil: it does not.
	Drains func(Params) bool `json:"-"`

	// Routes reports, of an action by its parameters, whether it sends clients to the
	// new side. Nil: it does not.
	Routes func(Params) bool `json:"-"`
	// Against looks at the parameters of two steps of the kind, which are valid, and
	// refuses what they would do to each other; an error as of Validate, about the
	// later one. Nil: nothing.
	Against func(later, earlier Params) error `json:"-"`

	Background   bool // keeps working after apply
	Resumable    bool // can continue from a cursor
	Health       bool // a check that fails when its subject cannot be reached
	Irreversible bool // cannot be undone: the step must say point-of-no-return
	Approved     bool // the step must say who approves it

	// Reaches looks at whom a kind of connection that has "notices" is to tell:
	// addresses in its own form, none where it knows by itself. Nil for others.
	Reaches func(p Params, to []string) error `json:"-"`
	// Address is what of a contact is an address of this kind of connection:
	// email or slack; "" when nothing is.
	Address string `json:",omitempty"`

	// Provides says what a kind of connection gives to actions and checks of
	// other systems ("messages", "rows"); a field's Needs is one of these.
	Provides []string
	// Places says, by what a kind of connection provides, how a place in its
	// systems is written: a table here, a path there.
	Places map[string]PlaceKind
}

// A PlaceKind is how a kind of connection says where in its systems something is.
type PlaceKind struct {
	Fields   []Field
	Validate func(Params) error `json:"-"` // as in Kind; may be nil
}

// FieldError is a Validate error that points at one parameter.
type FieldError struct {
	Field, Problem, Remedy string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Type is a parameter's or an input's type.
type Type string

const (
	String     Type = "string"     // Go string
	Int        Type = "int"        // int64
	Number     Type = "number"     // float64
	Bool       Type = "bool"       // bool
	Duration   Type = "duration"   // time.Duration; written 90s, 15m, 48h, 14d, 1h30m
	Size       Type = "size"       // Bytes; written 512KiB, 2GB, 100B
	Percentage Type = "percentage" // Percent; written 0.1%, 10 %
	Expression Type = "expression" // string; a CEL expression, compiled by lint
	ConnRef    Type = "connection" // string; the name of a connection
	CheckRef   Type = "check"      // string; the name of a check
	List       Type = "list"       // []any of Elem
	Map        Type = "map"        // map[string]any of Elem
	Place      Type = "place"      // Params; a place in the system that another field's connection reaches
	Any        Type = "any"        // plain YAML data: string, int64, float64, bool, []any, map[string]any
)

// A Field is one parameter.
type Field struct {
	Name     string // its key, kebab-case
	Doc      string
	Type     Type
	Elem     Type // of List and Map
	Required bool
	Enum     []string // the only values a String may have
	Default  string   // as written in a runbook; for docs and schema: the driver applies it
	// Needs is what the kind of the connection that a ConnRef names must
	// provide; "" for nothing.
	Needs string
	// Of is, of a Place, the field that names the connection in whose system it
	// is: that connection's kind says what can be written here.
	Of string
	// Vars lists the variables an Expression may use; each is dynamically typed.
	Vars []string
}

// Bytes is a size.
type Bytes int64

// Percent is a share: 0.1 % is Percent(0.1).
type Percent float64

// Params are decoded parameters by key: Go values as Type says. A string may
// still hold ${NAME} references to the environment, which only the process
// that opens the live system resolves; inputs are already filled in.
type Params map[string]any

// Duration returns a parameter of type Duration, or def when absent.
func (p Params) Duration(key string, def time.Duration) time.Duration {
	if d, ok := p[key].(time.Duration); ok {
		return d
	}
	return def
}
