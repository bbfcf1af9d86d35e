package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type expireParams struct {
	patternParams
	TTL time.Duration `param:"ttl,required" doc:"How long a key may still live. Keys that expire sooner are left alone."`
}

// Validate implements what types cannot say.
func (p expireParams) Validate() error {
	if p.TTL < time.Second {
		return &runbook.FieldError{Field: "ttl", Problem: "that is no time in which it could be undone", Remedy: "write at least 1s"}
	}
	return p.narrow()
}

// expire lets keys expire sooner. It owns the number of keys that outlive the
// time to live, and shows it only while there are some: a key that a service
// writes later is nobody's drift.
type expire struct {
	c        *Conn
	p        expireParams
	resource driver.Resource
}

func expireAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "redis.expire", On: kind, Resumable: true,
		Doc: "Lets the keys that match a pattern expire within a time, those that are there when it starts. Undoing it gives each key that is still there, and that nobody has written since, its old time to live. The journal then holds the keys' names.",
	}, func(ctx context.Context, c *Conn, p expireParams) (driver.Action, error) { return newExpire(ctx, c, p) })
}

func newExpire(ctx context.Context, c *Conn, p expireParams) (*expire, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("redis.expire: %w", err)
	}
	id, err := c.database(ctx)
	if err != nil {
		return nil, fmt.Errorf("redis.expire: %w", err)
	}
	return &expire{c: c, p: p, resource: driver.Resource{
		ID:   id + "/expiry/" + escape(p.Pattern),
		Name: "expiry of keys " + p.Pattern + " of " + c.String(),
	}}, nil
}

func (a *expire) Resources() []driver.Resource { return []driver.Resource{a.resource} }

// keysLeft is the owned field of what works through keys.
type keysLeft struct {
	Keys int `json:"keys,omitempty"`
}

// outliving are the keys that expire too late, with when they do.
func (a *expire) outliving(ctx context.Context) (map[string]int64, error) {
	now, err := a.c.clock(ctx)
	if err != nil {
		return nil, err
	}
	late := now.Add(a.p.TTL).UnixMilli()
	out := map[string]int64{}
	err = a.c.scan(ctx, a.p.patternParams, func(keys []string, at []int64) error {
		for i, key := range keys {
			if at[i] == never || at[i] > late {
				out[key] = at[i]
			}
		}
		return nil
	})
	return out, err
}

func (a *expire) Observe(ctx context.Context) (state.State, error) {
	found, err := a.outliving(ctx)
	if err != nil {
		return nil, err
	}
	return state.Of(a.resource.ID, keysLeft{len(found)}), nil
}

func (a *expire) Plan(state.State) (state.State, error) {
	return state.Of(a.resource.ID, keysLeft{}), nil
}

// Costs implements driver.Costly.
func (a *expire) Costs(before, _ state.State) string {
	var left keysLeft
	if ok, err := before.Decode(a.resource.ID, &left); err != nil || !ok || left.Keys == 0 {
		return ""
	}
	return fmt.Sprintf("%d keys are gone after %s; those that have gone cannot be had back", left.Keys, a.p.TTL)
}

// expiring is the cursor: what undo needs.
type expiring struct {
	Until []int64          `json:"until"` // what was set, in milliseconds of Unix time; more than one after a crash
	Was   map[string]int64 `json:"was"`   // by key; -1: it never expired
}

func expiringFrom(cursor json.RawMessage) (expiring, error) {
	cur := expiring{Was: map[string]int64{}}
	if cursor == nil {
		return cur, nil
	}
	if err := json.Unmarshal(cursor, &cur); err != nil {
		return cur, fmt.Errorf("cursor of redis.expire: %w", err)
	}
	return cur, nil
}

// Apply remembers when all keys expire before it changes one.
func (a *expire) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	cur, err := expiringFrom(e.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := a.outliving(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if len(found) > 0 {
		now, err := a.c.clock(ctx)
		if err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		until := now.Add(a.p.TTL).UnixMilli()
		cur.Until = append(cur.Until, until)
		keys := make([]string, 0, len(found))
		for key, at := range found {
			cur.Was[key] = at
			keys = append(keys, key)
		}
		slices.Sort(keys)
		if err := e.Save(ctx, cur); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
		for some := range slices.Chunk(keys, portion) {
			if err := a.shorten(ctx, e.Mine, some, until); err != nil {
				return nil, fmt.Errorf("apply: %w", err)
			}
		}
	}
	return a.Observe(ctx)
}

// Resume implements driver.Resumable.
func (a *expire) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// shorten sets when keys expire, of those that expire later.
func (a *expire) shorten(ctx context.Context, mine func() error, keys []string, until int64) error {
	if err := mine(); err != nil {
		return err
	}
	return a.c.ask(ctx, func(ctx context.Context) error {
		_, err := a.c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range keys {
				p.Do(ctx, "pexpireat", key, until, "lt")
			}
			return nil
		})
		return err
	})
}
