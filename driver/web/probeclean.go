package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
)

const (
	// settle is how long it is looked for what may still arrive: a request that
	// was not answered may be on its way, and a worker may have its message.
	settle = 500 * time.Millisecond
	// grace is for taking away what was sent when ctx is over already.
	grace = time.Second
)

// cleanAnyway cleans even if ctx is over: it is the last chance of this try.
func (a *probe) cleanAnyway(ctx context.Context, e driver.Effect, patience time.Duration) error {
	if ctx.Err() != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer stop()
		patience = 0
	}
	return a.clean(ctx, e, patience)
}

// clean takes away what carries the cursor's id, again and again until a look
// finds nothing, and not before patience is over.
func (a *probe) clean(ctx context.Context, e driver.Effect, patience time.Duration) error {
	if e.Cursor == nil {
		return nil
	}
	var cur probeCursor
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of web.probe: %w", err)
	}
	if cur.Clean || cur.ID == "" {
		return nil
	}
	var t *trace // over all sweeps: others' messages come all the time
	if a.p.Bus.Given() {
		bus, err := a.p.Bus.Open(ctx)
		if err != nil {
			return fmt.Errorf("web.probe: take %s back: %w", cur.ID, err)
		}
		t = newTrace(a, bus, cur.ID, cur.After)
	}
	for began := time.Now(); ; {
		found, err := a.sweep(ctx, e, cur, t)
		if err != nil {
			return fmt.Errorf("web.probe: take %s back: %w", cur.ID, err)
		}
		if !found && time.Since(began) >= patience {
			return a.gone(ctx, cur)
		}
		if err := sleep(ctx, lookFirst); err != nil {
			return fmt.Errorf("web.probe: take %s back: %w", cur.ID, err)
		}
	}
}

// sweep deletes once what there is. Messages go first, so that none is
// delivered after its rows went.
func (a *probe) sweep(ctx context.Context, e driver.Effect, cur probeCursor, t *trace) (found bool, err error) {
	if t != nil {
		if found, err = t.sweep(ctx, e); errors.Is(err, driver.ErrNotMine) {
			return found, err
		}
	}
	if a.p.DB.Given() {
		db, dbErr := a.p.DB.Open(ctx)
		if dbErr == nil {
			var n int64
			n, dbErr = db.Execute(ctx, e.Mine, a.p.Undo, a.args(cur.ID))
			found = found || n > 0
		}
		err = errors.Join(err, dbErr)
	}
	return found, err
}

// sweep deletes once what carries the id.
func (t *trace) sweep(ctx context.Context, e driver.Effect) (found bool, err error) {
	streams, err := t.bus.Streams(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range streams {
		for _, subject := range []string{t.a.p.Subject, t.a.p.DeadLetters} {
			for {
				m, err := t.find(ctx, s.Name, subject)
				if err != nil {
					return found, err
				}
				if m == nil {
					break
				}
				if err := t.bus.DeleteMessage(ctx, e.Mine, m.Stream, m.Seq); err != nil {
					return found, err
				}
				found = true
			}
		}
	}
	return found, nil
}

// gone fails when rows are still found that undo should have deleted.
func (a *probe) gone(ctx context.Context, cur probeCursor) error {
	if !a.p.DB.Given() {
		return nil
	}
	there, rows, err := a.there(ctx, cur.ID)
	if err != nil {
		return fmt.Errorf("web.probe: see whether %s is gone: %w", cur.ID, err)
	}
	if there {
		return fmt.Errorf("web.probe: undo leaves %d rows of %s: %s still holds", len(rows), cur.ID, a.p.Expect)
	}
	return nil
}
