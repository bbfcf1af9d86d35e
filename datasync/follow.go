package datasync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// follow is a sync.continuous by what the source tells of its changes. The log
// is opened before the first record is read, so that between the two nothing is
// missed; what both tell is written twice, and once written it stays the same.
// The log is what the action owns: while it is open the source keeps what was
// changed.
type follow struct {
	*flow
	fresh
	name string // of the log
	most int64  // bytes that the source may have to keep; 0: any
}

func newFollow(ctx context.Context, f *flow, most int64) (*follow, error) {
	source, err := f.source(ctx)
	if err != nil {
		return nil, err
	}
	defer source.Close() //nolint:errcheck // it only reads
	if _, can := source.(driver.Follower); !can {
		return nil, &driver.Refusal{System: source.ID(), Reason: "it does not tell what changes", Remedy: "leave follow out, and say with every how often all is read"}
	}
	sum := sha256.Sum256([]byte(source.ID() + " " + f.resource.ID))
	return &follow{flow: f, name: "segue_" + hex.EncodeToString(sum[:8]), most: most, fresh: fresh{slow: followSlow}}, nil
}

// with opens the source for one thing.
func (f *follow) with(ctx context.Context, do func(driver.Follower) error) error {
	source, err := f.source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()                //nolint:errcheck // it only reads
	return do(source.(driver.Follower)) //nolint:forcetypeassert // newFollow has seen one
}

// Observe implements driver.Action.
func (f *follow) Observe(ctx context.Context) (state.State, error) {
	var log driver.Log
	err := f.with(ctx, func(s driver.Follower) (err error) {
		log, err = s.Log(ctx, f.name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f.state(log.Open), nil
}

func (f *follow) state(open bool) state.State {
	name := ""
	if open {
		name = f.name
	}
	raw, err := json.Marshal(name)
	if err != nil {
		panic("datasync: a name is not JSON: " + err.Error())
	}
	return state.State{f.resource.ID: state.Fields{"log": raw}}
}

// Plan implements driver.Action.
func (f *follow) Plan(state.State) (state.State, error) {
	want := f.state(true)
	want[f.resource.ID]["synced"] = json.RawMessage("true")
	return want, nil
}

// Apply implements driver.Action: the log, and then what is there.
func (f *follow) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	var at cursor
	err := read(e.Cursor, &at)
	if err == nil {
		err = f.with(ctx, func(s driver.Follower) error { return f.begin(ctx, s, e, &at) })
	}
	if err == nil && !at.Done {
		err = f.bounded(ctx, e, func(ctx context.Context) (err error) {
			at, err = f.pass(ctx, e, at, &sweeps{})
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("sync from %s to %s, %d records read so far: %w", f.p.From, f.p.To, at.Read, err)
	}
	f.refresh(at.since())
	return e.Want.With(state.State{f.resource.ID: at.fields()}), nil
}

// begin opens the log, or sees that it is still open.
func (f *follow) begin(ctx context.Context, s driver.Follower, e driver.Effect, at *cursor) (err error) {
	if at.Log == nil {
		at.Log, err = s.Begin(ctx, e.Mine, f.name)
		return err
	}
	log, err := s.Log(ctx, f.name)
	if err == nil && !log.Open {
		err = fmt.Errorf("the log %s of what changes at the source is gone; what was changed meanwhile may be missing: undo this step and take it anew", f.name)
	}
	return err
}

// Resume implements driver.Resumable.
func (f *follow) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return f.Apply(ctx, e)
}

// Undo implements driver.Action: the log is followed to its end, and closed if
// it was not open before.
func (f *follow) Undo(ctx context.Context, e driver.Effect) error {
	var before struct {
		Log string `json:"log"`
	}
	if _, err := e.Before.Decode(f.resource.ID, &before); err != nil {
		return err
	}
	at, d, err := f.undo(ctx, e, f.drain)
	if err != nil {
		return err
	}
	if before.Log == "" {
		if err := f.with(ctx, func(s driver.Follower) error { return s.End(ctx, e.Mine, f.name) }); err != nil {
			return err
		}
	}
	return f.kept(at, d)
}

// Run implements driver.Background.
func (f *follow) Run(ctx context.Context, e driver.Effect) error {
	var at cursor
	if err := read(e.Cursor, &at); err != nil {
		return err
	}
	f.refresh(at.since())
	err := f.bounded(ctx, e, func(ctx context.Context) error { return f.changes(ctx, e, at) })
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("sync from %s to %s: %w", f.p.From, f.p.To, err)
	}
	return nil
}

// changes brings over what the log tells after a cursor, until ctx ends.
func (f *follow) changes(ctx context.Context, e driver.Effect, at cursor) error {
	p, err := f.open(ctx, e, at)
	if err != nil {
		return err
	}
	defer p.close()                      //nolint:errcheck // what was written is committed
	source := p.source.(driver.Follower) //nolint:forcetypeassert // newFollow has seen one
	w := &follower{f: f, p: p, kept: at.Log}
	return source.Follow(ctx, f.name, at.Log, func(c driver.Changes) (driver.Position, error) { return w.take(ctx, c) })
}

// follower takes changes as they come.
type follower struct {
	f    *follow
	p    *pump
	kept driver.Position // that is saved
}

func (w *follower) take(ctx context.Context, c driver.Changes) (driver.Position, error) {
	p := w.p
	if err := p.deliver(ctx, p.changes(c.Changes)); err != nil {
		return nil, err
	}
	p.cursor.Read += int64(len(c.Changes))
	if c.Next != nil {
		p.cursor.Log = c.Next
	}
	if !c.Fresh.IsZero() {
		p.cursor.Fresh = c.Fresh.UTC()
		w.f.refresh(c.Fresh)
	}
	every := saveFresh
	if len(c.Changes) > 0 || w.f.most > 0 {
		every = saveEvery
	}
	if c.Next != nil && string(p.cursor.Log) != string(w.kept) && time.Since(p.saved) >= every {
		if err := p.save(ctx); err != nil {
			return nil, err
		}
		w.kept = p.cursor.Log
	}
	return w.kept, nil
}

// changes maps what has changed. Of those of one record the last counts.
func (p *pump) changes(list []driver.Change) load {
	var l load
	at := make(map[string]int, len(list))
	for _, c := range list {
		one, bad := p.changed(c)
		if bad != nil {
			l.bad = append(l.bad, *bad)
			continue
		}
		if !c.Gone && p.came(c.Record, one.record) {
			l.returned++
			continue
		}
		key := keyOf(one.record, p.p.Key)
		if i, again := at[key]; again {
			l.items[i] = one
			continue
		}
		at[key] = len(l.items)
		l.items = append(l.items, one)
	}
	return l
}

func (p *pump) changed(c driver.Change) (item, *driver.BadRecord) {
	if !c.Gone {
		return p.item(c.Record)
	}
	key, bad := p.goneKey(c.Record)
	return item{key, true}, bad
}

// goneKey maps a key.
func (p *pump) goneKey(in driver.Record) (driver.Record, *driver.BadRecord) {
	out, bad := p.mapping.Only(p.p.Key...).Apply(in)
	for _, name := range p.p.Key {
		if bad == nil && (out[name] == nil || out[name] == "") {
			bad = &driver.BadRecord{Record: in, Field: name, Reason: "has no value in what is told of a deleted record: it must follow from the key that is read alone"}
		}
	}
	return out, bad
}
