package datasync

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// once brings all records over, once.
type once struct{ *flow }

func onceAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "sync.once", Resumable: true,
		Doc: "Brings the records of one system over to another, once: new ones, and those that are newer than what is there. It goes on where it was cut off, and its undo deletes nothing.",
	}, func(ctx context.Context, _ driver.Conn, p params) (driver.Action, error) {
		f, err := newFlow(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("sync.once: %w", err)
		}
		return &once{f}, nil
	})
}

// Apply implements driver.Action.
func (o *once) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	var c cursor
	if err := read(e.Cursor, &c); err != nil {
		return nil, err
	}
	if !c.Done {
		var err error
		if c, err = o.pass(ctx, e, c, &sweeps{}); err != nil {
			return nil, fmt.Errorf("sync from %s to %s, %d records read so far: %w", o.p.From, o.p.To, c.Read, err)
		}
	}
	return e.Want.With(state.State{o.resource.ID: c.fields()}), nil
}

// Resume implements driver.Resumable.
func (o *once) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return o.Apply(ctx, e)
}

// pass brings over all that comes after a cursor, and returns how far it came.
func (f *flow) pass(ctx context.Context, e driver.Effect, c cursor, s *sweeps) (cursor, error) {
	if err := s.load(); err != nil {
		return c, err
	}
	p, err := f.open(ctx, e, s.from(c))
	if err != nil {
		return c, err
	}
	defer p.close() //nolint:errcheck // what was written is committed
	if err := p.save(ctx); err != nil {
		return p.cursor, err
	}
	s.begin(p)
	if err := p.run(ctx); err != nil {
		return p.cursor, err
	}
	if err := s.end(ctx, p); err != nil {
		return p.cursor, err
	}
	p.cursor.Done = true
	return p.cursor, p.save(ctx)
}
