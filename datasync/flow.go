package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/expr"
	"github.com/segue-run/segue/state"
)

// flow is what the actions have in common: from where to where records go, and
// what becomes of them on the way.
//
// Its effect is that they are there; that it was done shows only in what Apply
// returns, as who uses the sink changes what is there at will: so it is always
// something to do, and never drift.
type flow struct {
	p        params
	mapping  *mapping.Mapping
	deleted  *expr.Expr // nil: nothing is said to be
	resource driver.Resource
	drains   bool // its undo brings over what was written last
}

func newFlow(ctx context.Context, p params) (*flow, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f := &flow{p: p}
	var err error
	if f.mapping, err = p.mapping(); err != nil {
		return nil, err
	}
	if p.Deleted != "" {
		if f.deleted, err = expr.Compile(p.Deleted, []string{"record"}); err != nil {
			return nil, fmt.Errorf("deleted: %w", err)
		}
	}
	sink, err := f.sink(ctx)
	if err != nil {
		return nil, err
	}
	f.resource = sink.Resource()
	return f, sink.Close()
}

func (f *flow) sink(ctx context.Context) (driver.RecordSink, error) {
	to, err := f.p.To.Open(ctx)
	if err != nil {
		return nil, err
	}
	return to.Sink(ctx, f.p.Write, f.p.shape(f.mapping))
}

func (f *flow) source(ctx context.Context) (driver.RecordSource, error) {
	from, err := f.p.From.Open(ctx)
	if err != nil {
		return nil, err
	}
	return from.Source(ctx, f.p.Read)
}

// Resources implements driver.Action.
func (f *flow) Resources() []driver.Resource { return []driver.Resource{f.resource} }

// Observe implements driver.Action: it owns no field that others could change.
func (f *flow) Observe(context.Context) (state.State, error) {
	return state.State{f.resource.ID: state.Fields{}}, nil
}

// Plan implements driver.Action.
func (f *flow) Plan(state.State) (state.State, error) {
	return state.State{f.resource.ID: state.Fields{"synced": json.RawMessage("true")}}, nil
}

// Undo implements driver.Action. What was brought over may have been changed
// since, and harms nobody: it stays.
func (f *flow) Undo(_ context.Context, e driver.Effect) error {
	var c cursor
	if err := read(e.Cursor, &c); err != nil {
		return err
	}
	return f.kept(c, drain{})
}

// kept is what an undo leaves; nil for nothing.
func (f *flow) kept(c cursor, d drain) error {
	k := &driver.Kept{What: "what was brought over to " + f.resource.Name, Doubts: d.doubts}
	if c.Changed == 0 && len(d.doubts) == 0 {
		return nil
	}
	k.Cost = fmt.Sprintf("%d records, and what was written to them since", c.Changed)
	if c.Changed > 0 {
		k.Hint = "delete them once nobody needs them"
	}
	return k
}

// open makes ready to bring over what comes after a cursor.
func (f *flow) open(ctx context.Context, e driver.Effect, c cursor) (_ *pump, err error) {
	p := &pump{flow: f, effect: e, cursor: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if f.p.Aside != "" {
		if !c.begun() {
			if p.cursor.Aside, err = asideSize(f.p.Aside); err != nil {
				return nil, err
			}
		}
		if p.aside, err = openAside(f.p.Aside, p.cursor.Aside); err != nil {
			return nil, err
		}
	}
	if p.source, err = f.source(ctx); err != nil {
		return nil, err
	}
	if _, can := p.source.(driver.Burdened); !can && (f.p.LockWaits > 0 || f.p.ReplicaLag > 0) {
		return nil, &driver.Refusal{
			System: p.source.ID(), Reason: "it does not tell who waits for locks, nor how far replicas are behind",
			Remedy: "leave lock-waits and replica-lag out, and say with slow-above how long it may take for a page",
		}
	}
	if p.sink, err = f.sink(ctx); err != nil {
		return nil, err
	}
	p.read.Store(c.Read)
	p.pace.p, p.pace.source, p.pace.paused = f.p, p.source, c.paused
	return p, nil
}

// read decodes a cursor; nil is none.
func read(raw json.RawMessage, c *cursor) error {
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, c); err != nil {
		return fmt.Errorf("the cursor cannot be read: %w", err)
	}
	return nil
}
