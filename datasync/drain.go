package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// A drain is what the undo of a sync.continuous does last: once traffic is back
// at the other side, it brings over all that was written to the source until
// then. Whatever it cannot bring over it says: a source that does not answer
// fails the undo, which can be tried again; what would fail again is a doubt, with
// which the undo ends.
type drain struct {
	begun  time.Time
	doubts []string
}

// drainPasses is how many passes a drain makes at most. One would do if nobody
// wrote; requests that were on their way when traffic was switched are found by
// the next.
const drainPasses = 3

// bearing is the flow with which a drain goes on past records that cannot be
// taken over: the others are not to be lost for them. Nor does it pause to spare
// the source: a rollback waits for it.
func (f *flow) bearing() *flow {
	all := *f
	all.p.Bears = math.MaxInt
	all.p.SlowAbove, all.p.LockWaits, all.p.ReplicaLag = 0, 0, 0
	return &all
}

// drain brings over what the source has, in passes, until one changes nothing.
func (c *continuous) drain(ctx context.Context, e driver.Effect, at *cursor) (drain, error) {
	var d drain
	if err := c.sweeps.load(); err != nil {
		return d, err
	}
	p, err := c.bearing().open(ctx, e, *at)
	if err != nil {
		return d, err
	}
	defer p.close() //nolint:errcheck // what was written is committed
	p.effect.Save = func(context.Context, any) error { return nil }
	was := at.counts
	for range drainPasses {
		before := at.counts
		d.begun = time.Now().UTC()
		if err := c.again(ctx, e, p, at); errors.Is(err, errSwept) {
			at.add(p.cursor.counts)
			d.doubt("what was deleted where they are read stays: %v", err)
		} else if err != nil {
			return d, err
		}
		d.bad(p, before, at.counts)
		if !at.differs(before) || len(d.doubts) > 0 {
			break
		}
	}
	return d, at.drained(ctx, e, d, was)
}

// drain follows the log to where it ended when the undo began, and on until a
// look at it brings nothing new. Where the log is no longer to be had, all is
// read again; of deletions nothing is known then.
func (f *follow) drain(ctx context.Context, e driver.Effect, at *cursor) (drain, error) {
	d := drain{begun: time.Now().UTC()}
	was, since := at.counts, at.since()
	p, err := f.bearing().open(ctx, e, *at)
	if err != nil {
		return d, err
	}
	defer p.close()                      //nolint:errcheck // what was written is committed
	source := p.source.(driver.Follower) //nolint:forcetypeassert // newFollow has seen one
	err = f.toItsEnd(ctx, p, source, &d)
	*at = p.cursor
	d.bad(p, was, at.counts)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, driver.ErrNotMine) {
			return d, err
		}
		if _, away := source.Log(ctx, f.name); away != nil {
			return d, err
		}
		d.begun = time.Now().UTC()
		all := *at
		all.Position = nil
		read, again := f.bearing().pass(ctx, e, all, &sweeps{})
		if again != nil {
			return d, errors.Join(err, again)
		}
		*at = read
		d.doubt("all was read again, as its log is not to be had: what was deleted there since %s may still be here: %v", clock(since), err)
	}
	return d, at.drained(ctx, e, d, was)
}

// toItsEnd follows the log to its end.
func (f *follow) toItsEnd(ctx context.Context, p *pump, source driver.Follower, d *drain) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	begun, ended := d.begun, false
	w := &follower{f: f, p: p, kept: p.cursor.Log}
	looked := p.cursor.counts
	err := source.Follow(ctx, f.name, p.cursor.Log, func(c driver.Changes) (driver.Position, error) {
		kept, err := w.take(ctx, c)
		if err != nil || c.Fresh.Before(begun) {
			return kept, err
		}
		d.begun = c.Fresh.UTC()
		ended = !p.cursor.differs(looked)
		if looked = p.cursor.counts; ended {
			enough()
		}
		return kept, nil
	})
	if ended {
		return nil
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// differs reports whether records were changed or deleted since.
func (c counts) differs(before counts) bool {
	return c.Changed != before.Changed || c.Deleted != before.Deleted
}

// drained journals that all that was there when the drain last looked is over.
func (c *cursor) drained(ctx context.Context, e driver.Effect, d drain, was counts) error {
	c.Drained, c.Last = d.begun, c.Changed+c.Deleted-was.Changed-was.Deleted
	return e.Save(ctx, *c)
}

func (d *drain) doubt(text string, args ...any) {
	d.doubts = append(d.doubts, fmt.Sprintf(text, args...))
}

// bad doubts for the records that could not be taken over.
func (d *drain) bad(p *pump, before, now counts) {
	n := now.Bad - before.Bad
	if n == 0 {
		return
	}
	where := "nowhere else, as the step has no aside"
	if p.p.Aside != "" {
		where = "in " + p.p.Aside
	}
	d.doubt("%d records could not be taken over, the last of them %s: %s %s; they are %s", n, p.name(p.refused), p.refused.Field, p.refused.Reason, where)
}

// undo drains if that is to be, and leaves what was brought over.
//
// One whose first pass had not ended has nothing to say of the source: nobody
// went by it.
func (f *flow) undo(ctx context.Context, e driver.Effect, empty func(context.Context, driver.Effect, *cursor) (drain, error)) (at cursor, d drain, err error) {
	if err := read(e.Cursor, &at); err != nil {
		return at, d, err
	}
	if f.drains && at.Done {
		since := at.since()
		if d, err = empty(ctx, e, &at); err != nil {
			return at, d, fmt.Errorf("what was written to %s since %s is not known to have come over to %s: %w", f.p.From, clock(since), f.p.To, err)
		}
	}
	return at, d, nil
}

// Tell implements driver.Teller: up to when all came over, and how many records
// that were.
func (f *flow) Tell(raw json.RawMessage) (state.State, error) {
	var at cursor
	if err := read(raw, &at); err != nil || at.Drained.IsZero() {
		return nil, err
	}
	return state.Of(f.resource.ID, struct {
		Drained time.Time `json:"drained"`
		Last    int64     `json:"drained-records"`
	}{at.Drained, at.Last}), nil
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000 UTC") }
