package datasync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type continuousParams struct {
	params
	Every    time.Duration   `param:"every" doc:"How long it is from the beginning of one pass over all records to that of the next." default:"10s"`
	Sweep    runbook.Percent `param:"sweep" doc:"Records that were there when they were last read, and are no longer, are deleted where records are written, unless they are newer there. When more than this share is gone at once, rather the source has lost its memory: then nothing is deleted, and the sync fails. Deletions are not carried over without this or deleted."`
	Follow   bool            `param:"follow" doc:"Changes are followed as the source tells of them, deletions among them, instead of all being read again: a PostgreSQL table's, by logical replication."`
	MostLog  runbook.Bytes   `param:"most-log" doc:"How much of its log the source may have to keep for a sync that follows and is behind; with more it is given up, so that the source's disk does not fill."`
	Remember string          `param:"remember" doc:"The file that remembers, for sweep, which records were there."`
	Drain    *bool           `param:"drain" doc:"Its undo brings over what was written to the source since, before it ends: so a rollback loses nothing of what the new system was told. It may take as long as the step's timeout. Say false of the way there: nobody needs on the new side what the old one is told once traffic is back." default:"true"`
}

// Drains reports whether the undo brings over what was written last.
func (p continuousParams) Drains() bool { return p.Drain == nil || *p.Drain }

// Validate implements what types cannot say.
func (p continuousParams) Validate() error {
	err := p.params.Validate()
	if p.Every < 0 {
		err = errors.Join(err, &runbook.FieldError{Field: "every", Problem: "it is negative", Remedy: "write a duration, as in 10s"})
	}
	if p.Sweep < 0 || p.Sweep > 100 {
		err = errors.Join(err, &runbook.FieldError{Field: "sweep", Problem: "that is no share", Remedy: "write the most that may be gone at once, as in 5%"})
	}
	if p.Follow && (p.Sweep > 0 || p.Every > 0) {
		err = errors.Join(err, &runbook.FieldError{Field: "follow", Problem: "who follows neither reads all again nor sweeps", Remedy: "leave out every and sweep"})
	}
	if !p.Follow && p.MostLog != 0 {
		err = errors.Join(err, &runbook.FieldError{Field: "most-log", Problem: "no log is kept for who does not follow", Remedy: "remove it"})
	}
	if (p.Sweep > 0) != (p.Remember != "") {
		err = errors.Join(err, &runbook.FieldError{Field: "sweep", Problem: "what is gone is known only to who remembers what was there", Remedy: "give both sweep and remember, a file"})
	}
	return err
}

// continuous brings all records over, and goes on doing so until it is undone.
type continuous struct {
	*flow
	every  time.Duration
	sweeps sweeps

	fresh
}

// fresh is since when what was at the source is over.
type fresh struct {
	slow time.Duration // further behind, and by three passes, it does not get on

	mu   sync.Mutex
	at   time.Time
	took time.Duration // of the last pass
}

func continuousAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "sync.continuous", Resumable: true, Background: true,
		Doc: "Brings the records of one system over to another, and keeps them in step until it is undone: in passes over all of them, or by what the source tells of its changes.",
	}, func(ctx context.Context, _ driver.Conn, p continuousParams) (driver.Action, error) {
		err := p.Validate()
		if err != nil {
			return nil, fmt.Errorf("sync.continuous: %w", err)
		}
		f, err := newFlow(ctx, p.params)
		if err != nil {
			return nil, fmt.Errorf("sync.continuous: %w", err)
		}
		f.drains = p.Drains()
		if p.Follow {
			return newFollow(ctx, f, int64(p.MostLog))
		}
		if p.Every == 0 {
			p.Every = 10 * time.Second
		}
		return &continuous{flow: f, every: p.Every, sweeps: sweeps{most: p.Sweep, path: p.Remember, key: p.Key}, fresh: fresh{slow: 3*p.Every + followSlow}}, nil
	})
}

// Apply implements driver.Action: the first pass.
func (c *continuous) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	var at cursor
	err := read(e.Cursor, &at)
	if err == nil && !at.Done {
		at, err = c.pass(ctx, e, at, &c.sweeps)
	}
	if err != nil {
		return nil, fmt.Errorf("sync from %s to %s, %d records read so far: %w", c.p.From, c.p.To, at.Read, err)
	}
	c.refresh(at.since())
	return e.Want.With(state.State{c.resource.ID: at.fields()}), nil
}

// Resume implements driver.Resumable.
func (c *continuous) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return c.Apply(ctx, e)
}

// Undo implements driver.Action.
func (c *continuous) Undo(ctx context.Context, e driver.Effect) error {
	at, d, err := c.undo(ctx, e, c.drain)
	if err != nil {
		return err
	}
	return c.kept(at, d)
}

// Run implements driver.Background.
func (c *continuous) Run(ctx context.Context, e driver.Effect) error {
	var at cursor
	if err := read(e.Cursor, &at); err != nil {
		return err
	}
	c.refresh(at.since())
	if err := c.sweeps.load(); err != nil {
		return err
	}
	p, err := c.open(ctx, e, at)
	if err != nil {
		return err
	}
	defer p.close() //nolint:errcheck // what was written is committed
	// Passes are too short to go on in the middle of one: what counts is their end.
	p.effect.Save = func(context.Context, any) error { return nil }
	for next := at.since().Add(c.every); ; next = p.cursor.Begun.Add(c.every) {
		if err := wait(ctx, time.Until(next)); err != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if err := c.again(ctx, e, p, &at); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("sync from %s to %s: %w", c.p.From, c.p.To, err)
		}
	}
}

// again is one more pass. The cursor is saved now and then: what it knows is
// only how far behind the sync is.
func (c *continuous) again(ctx context.Context, e driver.Effect, p *pump, at *cursor) error {
	p.cursor = cursor{Begun: time.Now().UTC(), Aside: at.Aside, Passes: at.Passes}
	p.read.Store(0)
	c.sweeps.begin(p)
	if err := p.run(ctx); err != nil {
		return err
	}
	if err := c.sweeps.end(ctx, p); err != nil {
		return err
	}
	changed := at.counts
	at.add(p.cursor.counts)
	at.paused = p.pace.told()
	at.Passes, at.Fresh = at.Passes+1, p.cursor.Begun
	c.refresh(at.Fresh)
	c.passed(time.Since(at.Fresh))
	if changed.Changed == at.Changed && changed.Deleted == at.Deleted && time.Since(p.saved) < saveFresh {
		return nil
	}
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	p.saved = time.Now()
	return e.Save(ctx, *at)
}

// saveFresh is how often it is journaled that nothing has changed.
const saveFresh = time.Minute

func (f *fresh) refresh(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.After(f.at) {
		f.at = at
	}
}

func (f *fresh) passed(took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.took = took
}

// followSlow is how far behind a sync may be that only waits for what comes.
const followSlow = 10 * time.Second

// Staleness implements driver.Background: what was at the source so long ago is
// over, whatever was written since.
func (f *fresh) Staleness(context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() {
		return 0, errors.New("nothing has come over yet")
	}
	d := time.Since(f.at)
	if d > f.slow+3*f.took {
		return d, errors.New("it has not caught up since then")
	}
	return d, nil
}
