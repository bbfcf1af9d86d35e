package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// once brings all records over, once.
//
// Its effect is that they are there; that it was done shows only in what Apply
// returns, as who uses the sink changes what is there at will: so it is always
// something to do, and never drift.
type once struct {
	p        params
	mapping  *mapping.Mapping
	resource driver.Resource
}

func onceAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "sync.once", Resumable: true,
		Doc: "Brings the records of one system over to another, once: new ones, and those that are newer than what is there. It goes on where it was cut off, and its undo deletes nothing.",
	}, func(ctx context.Context, _ driver.Conn, p params) (driver.Action, error) { return newOnce(ctx, p) })
}

func newOnce(ctx context.Context, p params) (*once, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("sync.once: %w", err)
	}
	m, err := p.mapping()
	if err != nil {
		return nil, fmt.Errorf("sync.once: %w", err)
	}
	o := &once{p: p, mapping: m}
	sink, err := o.sink(ctx)
	if err != nil {
		return nil, fmt.Errorf("sync.once: %w", err)
	}
	o.resource = sink.Resource()
	return o, sink.Close()
}

func (o *once) sink(ctx context.Context) (driver.RecordSink, error) {
	to, err := o.p.To.Open(ctx)
	if err != nil {
		return nil, err
	}
	return to.Sink(ctx, o.p.Write, o.p.shape(o.mapping))
}

func (o *once) source(ctx context.Context) (driver.RecordSource, error) {
	from, err := o.p.From.Open(ctx)
	if err != nil {
		return nil, err
	}
	return from.Source(ctx, o.p.Read)
}

// Resources implements driver.Action.
func (o *once) Resources() []driver.Resource { return []driver.Resource{o.resource} }

// Observe implements driver.Action: it owns no field that others could change.
func (o *once) Observe(context.Context) (state.State, error) {
	return state.State{o.resource.ID: state.Fields{}}, nil
}

// Plan implements driver.Action.
func (o *once) Plan(state.State) (state.State, error) {
	return state.State{o.resource.ID: state.Fields{"synced": json.RawMessage("true")}}, nil
}

// Apply implements driver.Action.
func (o *once) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	c, err := o.pass(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("sync from %s to %s, %d records read so far: %w", o.p.From, o.p.To, c.Read, err)
	}
	return e.Want.With(state.State{o.resource.ID: c.fields()}), nil
}

// Resume implements driver.Resumable.
func (o *once) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return o.Apply(ctx, e)
}

// Undo implements driver.Action. What was brought over may have been changed
// since, and harms nobody: it stays.
func (o *once) Undo(_ context.Context, e driver.Effect) error {
	var c cursor
	if err := read(e.Cursor, &c); err != nil {
		return err
	}
	if c.Changed == 0 {
		return nil
	}
	return &driver.Kept{
		What: fmt.Sprintf("what was brought over to %s", o.resource.Name),
		Cost: fmt.Sprintf("%d records, and what was written to them since", c.Changed),
		Hint: "delete them once nobody needs them",
	}
}

// pass brings over what comes after the effect's cursor.
func (o *once) pass(ctx context.Context, e driver.Effect) (_ cursor, err error) {
	p := &pump{p: o.p, mapping: o.mapping, effect: e}
	if err := read(e.Cursor, &p.cursor); err != nil || p.cursor.Done {
		return p.cursor, err
	}
	if o.p.Aside != "" {
		if e.Cursor == nil {
			if p.cursor.Aside, err = asideSize(o.p.Aside); err != nil {
				return p.cursor, err
			}
		}
		if p.aside, err = openAside(o.p.Aside, p.cursor.Aside); err != nil {
			return p.cursor, err
		}
		defer p.aside.close() //nolint:errcheck // what it keeps is on the disk
	}
	if err := p.save(ctx); err != nil {
		return p.cursor, err
	}
	if p.source, err = o.source(ctx); err != nil {
		return p.cursor, err
	}
	defer p.source.Close() //nolint:errcheck // it only reads
	if p.sink, err = o.sink(ctx); err != nil {
		return p.cursor, err
	}
	defer func() { err = errors.Join(err, p.sink.Close()) }()
	if n, known, err := p.source.Count(ctx); err != nil {
		return p.cursor, err
	} else if known {
		p.of = n
	}
	if err := p.run(ctx); err != nil {
		return p.cursor, err
	}
	p.cursor.Done = true
	return p.cursor, p.save(ctx)
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

// fields are the counts as a step reports them.
func (c counts) fields() state.Fields {
	out := state.Fields{}
	for name, n := range map[string]int64{"read": c.Read, "changed": c.Changed, "unchanged": c.Unchanged, "bad": c.Bad, "deleted": c.Deleted} {
		raw, err := json.Marshal(n)
		if err != nil {
			panic("datasync: a number is not JSON: " + err.Error())
		}
		out[name] = raw
	}
	return out
}
