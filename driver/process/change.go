package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// rolling are the parameters of what goes over a service's replicas.
type rolling struct {
	Service string        `param:"service,required" doc:"The service: its processes are called NAME, NAME-0, NAME-1 …, or are of the namespace NAME."`
	Within  time.Duration `param:"healthy-within" doc:"How long a replica may take until it works again." default:"1m"`
	asking
}

func (p rolling) within() time.Duration {
	if p.Within > 0 {
		return p.Within
	}
	return time.Minute
}

// setting is a part of the definition and its value on all replicas.
type setting struct {
	part
	value json.RawMessage
}

// change sets parts of a service's definition. It owns these parts, and which
// replicas are stopped: none, but those that were and that the project defines
// as disabled. These get the parts and stay stopped, for process.scale to start.
type change struct {
	conn     *Conn
	p        rolling
	resource driver.Resource
	settings []setting
}

func newChange(ctx context.Context, conn *Conn, p rolling, settings []setting) (*change, error) {
	resource, err := conn.resource(ctx, p.Service)
	if err != nil {
		return nil, err
	}
	return &change{conn, p, resource, settings}, nil
}

func (c *change) parts() []part {
	out := make([]part, len(c.settings))
	for i, s := range c.settings {
		out[i] = s.part
	}
	return out
}

func (c *change) Resources() []driver.Resource { return []driver.Resource{c.resource} }

func (c *change) Observe(ctx context.Context) (state.State, error) {
	replicas, err := c.conn.service(ctx, c.p.Service)
	if _, none := errors.AsType[*nobodyError](err); none {
		return state.State{c.resource.ID: {stoppedField: json.RawMessage(removed)}}, nil
	}
	if err != nil {
		return nil, err
	}
	return state.State{c.resource.ID: look(replicas, c.parts())}, nil
}

// What a Survey sees of a service.
const (
	definedField  = "defined"  // all its replicas
	disabledField = "disabled" // those that the project defines as disabled
)

// Survey implements driver.Surveyor.
func (c *change) Survey(ctx context.Context) (state.State, error) {
	replicas, err := c.conn.service(ctx, c.p.Service)
	if none, ok := errors.AsType[*nobodyError](err); ok {
		return nil, &driver.Refusal{System: none.where, Reason: none.reason(), Remedy: "name one that it has, or define it in its project"}
	}
	if err != nil {
		return nil, err
	}
	defined, disabled := []string{}, []string{}
	for _, r := range replicas {
		defined = append(defined, r.name)
		if r.definition != nil && r.definition.disabled() {
			disabled = append(disabled, r.name)
		}
	}
	return state.State{c.resource.ID: {definedField: encode(defined), disabledField: encode(disabled)}}, nil
}

// names reads a field that lists replicas.
func names(s state.State, resource, field string) []string {
	var out []string
	_ = json.Unmarshal(s[resource][field], &out) // removed: none
	return out
}

// idle are the replicas that are to stay stopped.
func (c *change) idle(before, others state.State) []string {
	disabled := names(others, c.resource.ID, disabledField)
	idle := []string{}
	for _, name := range names(before, c.resource.ID, stoppedField) {
		if slices.Contains(disabled, name) {
			idle = append(idle, name)
		}
	}
	return idle
}

func (c *change) Plan(before state.State) (state.State, error) { return c.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (c *change) PlanAmong(before, others state.State) (state.State, error) {
	fields := state.Fields{stoppedField: encode(c.idle(before, others))}
	for _, s := range c.settings {
		fields[s.field()] = s.value
	}
	return state.State{c.resource.ID: fields}, nil
}

// Apply rolls. A cursor tells a successor to look after the replicas even
// where their definitions are as wanted: they may not work yet.
func (c *change) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := c.begin(ctx, e); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := c.roll(ctx, e, e.Want, false); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return c.Observe(ctx)
}

// begin saves a cursor if there is anything to do, and none yet.
func (c *change) begin(ctx context.Context, e driver.Effect) error {
	if e.Cursor != nil {
		return nil
	}
	found, err := c.Observe(ctx)
	if err != nil || len(state.Diff(state.Face(e.Want), state.Face(found))) == 0 {
		return err
	}
	return e.Save(ctx, map[string]bool{"rolling": true})
}

// Resume implements driver.Resumable: replicas that are as wanted stay.
func (c *change) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return c.Apply(ctx, e)
}

// Undo gives each replica its own old value back. It tries to wait until the
// service works, and fails only if it takes away what worked when it began.
func (c *change) Undo(ctx context.Context, e driver.Effect) error {
	if err := c.roll(ctx, e, e.Before, true); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

func (c *change) roll(ctx context.Context, e driver.Effect, to state.State, back bool) error {
	t, err := targetOf(to, c.resource.ID, c.parts())
	if err != nil {
		return errors.Join(errors.New(c.resource.Name), err)
	}
	r := &roll{conn: c.conn, service: c.p.Service, asking: c.p.asking, within: c.p.within(), to: t, effect: e, back: back}
	return r.run(ctx)
}
