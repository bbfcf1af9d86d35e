package driver

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/segue-run/segue/runbook"
)

// A Catalog is the set of drivers that are built in. It serves the parser as
// its [runbook.Catalog] and the runner as the maker of what the parser found.
// The zero value is empty and ready to use.
type Catalog struct {
	conns   map[string]connEntry
	actions map[string]actionEntry
	checks  map[string]checkEntry
}

type connEntry struct {
	kind runbook.Kind
	open func(context.Context, runbook.Params, Env) (Conn, error)
}

type actionEntry struct {
	kind runbook.Kind
	make func(context.Context, Conns, runbook.Params, Env) (Action, error)
}

type checkEntry struct {
	kind  runbook.Kind
	make  func(context.Context, Conns, runbook.Params, Env) (Check, error)
	alert func(runbook.Params) (string, bool, error) // nil: it has no PromQL
}

// Add registers drivers' parts. It panics on a name that is taken, which is a
// programming error.
func (c *Catalog) Add(parts ...Part) {
	for _, p := range parts {
		p.add(c)
	}
}

// A Part is one connection, action or check of a driver; made by Connects,
// Acts and Checks.
type Part interface{ add(*Catalog) }

type partFunc func(*Catalog)

func (f partFunc) add(c *Catalog) { f(c) }

// About is what people and schemas are told of a part.
type About struct {
	Name string
	Doc  string
	On   string // kind of connection, for actions and checks

	Background, Resumable, Irreversible bool
	// Approved: a step with it must say who approves it.
	Approved bool
	// Health: a check whose subject cannot be reached fails, where a
	// measurement would be unknown.
	Health bool

	// Reads and Writes are, of a kind of connection that is a RecordReader or a
	// RecordWriter, structs whose fields carry `param` tags: how a Place is written.
	Reads, Writes any
	// Address: what of a contact a connection that tells people takes for an
	// address, email or slack.
	Address string
}

// Connects makes the Part for a kind of connection. P is a struct whose fields
// carry `param` tags (see Fields). P may have a method Validate() error that
// needs no live system; one that tells people something has Reaches(to []string)
// error, which looks at addresses. What the kind provides to actions and checks
// of other systems follows from C: let open return the driver's own type.
func Connects[C Conn, P any](about About, open func(context.Context, P) (C, error)) Part {
	kind := kindOf[P](about)
	kind.Provides, kind.Places = providedBy(reflect.TypeFor[C]()), placesOf(about)
	return partFunc(func(c *Catalog) {
		if c.conns == nil {
			c.conns = map[string]connEntry{}
		}
		mustBeNew(c.conns, kind)
		c.conns[kind.Name] = connEntry{kind, func(ctx context.Context, raw runbook.Params, env Env) (Conn, error) {
			p, err := decode[P](raw, env, nil)
			if err != nil {
				return nil, err
			}
			conn, err := open(ctx, p)
			if err != nil {
				return nil, err // and not a Conn that holds a nil pointer
			}
			return conn, nil
		}}
	})
}

// Acts makes the Part for a kind of action. C is the driver's connection type;
// use Conn itself (and get nil) where the action needs none.
func Acts[C Conn, P any](about About, build func(context.Context, C, P) (Action, error)) Part {
	kind := kindOf[P](about)
	return partFunc(func(c *Catalog) {
		if c.actions == nil {
			c.actions = map[string]actionEntry{}
		}
		mustBeNew(c.actions, kind)
		c.actions[kind.Name] = actionEntry{kind, maker[C, P](kind, build)}
	})
}

// Checks makes the Part for a kind of check, like Acts.
func Checks[C Conn, P any](about About, build func(context.Context, C, P) (Check, error)) Part {
	kind := kindOf[P](about)
	return partFunc(func(c *Catalog) {
		if c.checks == nil {
			c.checks = map[string]checkEntry{}
		}
		mustBeNew(c.checks, kind)
		c.checks[kind.Name] = checkEntry{kind, maker[C, P](kind, build), alertOf[P]()}
	})
}

func maker[C Conn, P, T any](kind runbook.Kind, build func(context.Context, C, P) (T, error)) func(context.Context, Conns, runbook.Params, Env) (T, error) {
	return func(ctx context.Context, conns Conns, raw runbook.Params, env Env) (T, error) {
		var none T
		p, err := decode[P](raw, env, conns)
		if err != nil {
			return none, err
		}
		var on C
		if kind.On != "" {
			if on, err = open[C](ctx, conns, raw, kind.Name); err != nil {
				return none, err
			}
		}
		return build(ctx, on, p)
	}
}

// open opens the connection that `on` names, if it does.
func open[C Conn](ctx context.Context, conns Conns, raw runbook.Params, kind string) (on C, _ error) {
	name, _ := raw["on"].(string)
	conn, err := conns.open(ctx, name)
	if err != nil || conn == nil {
		return on, err
	}
	on, ok := conn.(C)
	if !ok && conn != nil { // a kind may have an `on` that need not be given
		return on, fmt.Errorf("%s cannot work on a %T", kind, conn)
	}
	return on, nil
}

func mustBeNew[E any](m map[string]E, kind runbook.Kind) {
	if _, dup := m[kind.Name]; dup {
		panic("driver: two parts are named " + kind.Name)
	}
}

// Open opens the connection that the runbook describes.
func (c *Catalog) Open(ctx context.Context, u runbook.Use, env Env) (Conn, error) {
	e, ok := c.conns[u.Kind.Name]
	if !ok {
		return nil, fmt.Errorf("no connection kind %q is built in", u.Kind.Name)
	}
	return e.open(ctx, u.Params, env)
}

// Action makes the action that a step describes. The connection that its `on`
// names is opened at once, any other when the action first needs it.
func (c *Catalog) Action(ctx context.Context, conns Conns, u runbook.Use, env Env) (Action, error) {
	e, ok := c.actions[u.Kind.Name]
	if !ok {
		return nil, fmt.Errorf("no action %q is built in", u.Kind.Name)
	}
	return e.make(ctx, conns, u.Params, env)
}

// Check makes the check that the runbook describes, like Action.
func (c *Catalog) Check(ctx context.Context, conns Conns, u runbook.Use, env Env) (Check, error) {
	e, ok := c.checks[u.Kind.Name]
	if !ok {
		return nil, fmt.Errorf("no check %q is built in", u.Kind.Name)
	}
	return e.make(ctx, conns, u.Params, env)
}

// Kinds implements [runbook.Catalog].
func (c *Catalog) Kinds(class runbook.Class) []runbook.Kind {
	var out []runbook.Kind
	switch class {
	case runbook.Connection:
		for _, e := range c.conns {
			out = append(out, e.kind)
		}
	case runbook.Action:
		for _, e := range c.actions {
			out = append(out, e.kind)
		}
	case runbook.Check:
		for _, e := range c.checks {
			out = append(out, e.kind)
		}
	}
	slices.SortFunc(out, func(a, b runbook.Kind) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Kind implements [runbook.Catalog].
func (c *Catalog) Kind(class runbook.Class, name string) (runbook.Kind, bool) {
	for _, k := range c.Kinds(class) {
		if k.Name == name {
			return k, true
		}
	}
	return runbook.Kind{}, false
}
