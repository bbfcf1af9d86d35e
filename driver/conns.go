package driver

import (
	"context"
	"fmt"
	"reflect"
)

// Conns opens the connections of a runbook by their names, each when it is
// first asked for; who asks again gets the same one. Whoever hands them out
// closes them. The name "" stands for none: the answer may be nil.
type Conns func(ctx context.Context, name string) (Conn, error)

// Only are Conns that have one connection, under any name.
func Only(conn Conn) Conns {
	return func(context.Context, string) (Conn, error) { return conn, nil }
}

func (c Conns) open(ctx context.Context, name string) (Conn, error) {
	switch {
	case c != nil:
		return c(ctx, name)
	case name == "":
		return nil, nil //nolint:nilnil // who names none gets none
	}
	return nil, fmt.Errorf("connection %s cannot be opened here", name)
}

// Via is a parameter that names a connection, whose kind must provide T: one of
// the interfaces in capability.go and records.go. So an action or check can
// reach systems that its driver does not know:
//
//	Bus driver.Via[driver.MessageStore] `param:"bus" doc:"…"`
//
// Lint refuses a connection of a kind that does not provide T. The zero value
// is a parameter that was not given.
type Via[T Conn] struct {
	name  string
	conns Conns
}

// Given reports whether the runbook names a connection here.
func (v Via[T]) Given() bool { return v.name != "" }

// String is the connection's name in the runbook.
func (v Via[T]) String() string { return v.name }

// Open returns the connection; it is opened when it is first needed.
func (v Via[T]) Open(ctx context.Context) (T, error) {
	var none T
	conn, err := v.conns.open(ctx, v.name)
	if err != nil {
		return none, err
	}
	t, ok := conn.(T)
	if !ok {
		return none, fmt.Errorf("connection %s is a %T, which has no %s", v.name, conn, abilityOf(v.needs()))
	}
	return t, nil
}

// via is any Via, while parameters are described and decoded.
type via interface {
	bind(name string, conns Conns)
	needs() reflect.Type
}

func (v *Via[T]) bind(name string, conns Conns) { v.name, v.conns = name, conns }

func (Via[T]) needs() reflect.Type { return reflect.TypeFor[T]() }
