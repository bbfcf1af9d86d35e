package redis

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

type clearParams struct{ patternParams }

// Validate implements what types cannot say.
func (p clearParams) Validate() error { return p.narrow() }

// clearKeys deletes keys. Like expire it shows how many there are only while there
// are some. It cannot be undone and is no point of no return all the same: a
// cache is filled again by who reads it, and a rollback must be able to clear
// one.
type clearKeys struct {
	c        *Conn
	p        clearParams
	resource driver.Resource
}

func clearAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "redis.clear", On: kind, Resumable: true, Approved: true,
		Doc: "Deletes the keys that match a pattern, those that are there when it starts. Nothing brings them back: undoing it says how many are gone, and leaves it at that.",
	}, func(ctx context.Context, c *Conn, p clearParams) (driver.Action, error) { return newClear(ctx, c, p) })
}

func newClear(ctx context.Context, c *Conn, p clearParams) (*clearKeys, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("redis.clear: %w", err)
	}
	id, err := c.database(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis.clear: %w", err)
	}
	return &clearKeys{c, p, driver.Resource{
		ID:   id + "/keys/" + escape(p.Pattern),
		Name: "keys " + p.Pattern + " of " + c.String(),
	}}, nil
}

func (a *clearKeys) Resources() []driver.Resource { return []driver.Resource{a.resource} }

func (a *clearKeys) Observe(ctx context.Context) (state.State, error) {
	var left keysLeft
	err := a.c.scan(ctx, a.p.patternParams, func(keys []string, _ []int64) error {
		left.Keys += len(keys)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return state.Of(a.resource.ID, left), nil
}

func (a *clearKeys) Plan(state.State) (state.State, error) {
	return state.Of(a.resource.ID, keysLeft{}), nil
}

// Costs implements driver.Costly.
func (a *clearKeys) Costs(before, _ state.State) string {
	var left keysLeft
	if ok, err := before.Decode(a.resource.ID, &left); err != nil || !ok || left.Keys == 0 {
		return ""
	}
	return fmt.Sprintf("%d keys are deleted, and cannot be had back", left.Keys)
}

// cleared is the cursor: what is gone, or was about to go.
type cleared struct {
	Keys int64 `json:"keys"`
}

func (a *clearKeys) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	var cur cleared
	if e.Cursor != nil {
		if err := json.Unmarshal(e.Cursor, &cur); err != nil {
			return nil, fmt.Errorf("cursor of redis.clear: %w", err)
		}
	}
	err := a.c.scan(ctx, a.p.patternParams, func(keys []string, _ []int64) error {
		cur.Keys += int64(len(keys))
		if err := e.Save(ctx, cur); err != nil {
			return err
		}
		if err := e.Mine(); err != nil {
			return err
		}
		return a.c.ask(ctx, func(ctx context.Context) error { return a.c.client.Unlink(ctx, keys...).Err() })
	})
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return a.Observe(ctx)
}

// Resume implements driver.Resumable.
func (a *clearKeys) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// Undo cannot bring anything back: it reports what is gone.
func (a *clearKeys) Undo(_ context.Context, e driver.Effect) error {
	var cur cleared
	if e.Cursor == nil {
		return nil
	}
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("undo: cursor of redis.clear: %w", err)
	}
	if err := e.Mine(); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return &driver.Kept{
		What:   fmt.Sprintf("%s without its keys %s", a.c, a.p.Pattern),
		Cost:   fmt.Sprintf("up to %d keys were deleted, and only who wrote them can write them again", cur.Keys),
		Fields: map[string][]string{a.resource.ID: {"*"}},
	}
}
