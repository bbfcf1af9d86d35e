package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

type carryParams struct {
	From string `param:"from,required" doc:"the cell it reads; one that holds \"away\" does not answer"`
	To   string `param:"to,required" doc:"the cell it writes"`
}

func (carryParams) Drains() bool { return true }

// carry is background work: it carries what one cell holds over to another, each
// second, and once more when it is undone.
type carry struct {
	p *Process
	q carryParams

	mu    sync.Mutex
	fresh time.Time
}

func (c *carry) Resources() []driver.Resource { return resources([]string{c.q.To}) }

func (c *carry) Observe(context.Context) (state.State, error) {
	return state.State{id(c.q.To): state.Fields{}}, nil
}

func (c *carry) Plan(state.State) (state.State, error) {
	return state.State{id(c.q.To): state.Fields{"carried": json.RawMessage("true")}}, nil
}

func (c *carry) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	return e.Want, c.over(ctx, e)
}

func (c *carry) Undo(ctx context.Context, e driver.Effect) error { return c.over(ctx, e) }

func (c *carry) Run(ctx context.Context, e driver.Effect) error {
	for {
		if err := c.over(ctx, e); err != nil && !errors.Is(err, errAway) {
			return err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return nil //nolint:nilerr // it was told to end
		}
	}
}

func (c *carry) Staleness(context.Context) (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh.IsZero() {
		return 0, errors.New("nothing has come over yet")
	}
	if d := time.Since(c.fresh); d > 3*time.Second {
		return d, errors.New("nothing comes over")
	}
	return time.Since(c.fresh), nil
}

var errAway = errors.New("does not answer")

func (c *carry) over(ctx context.Context, e driver.Effect) error {
	begun := time.Now()
	v, err := c.p.read(ctx, c.q.From)
	if err != nil {
		return err
	}
	if v == "away" {
		return fmt.Errorf("cell %s %w", c.q.From, errAway)
	}
	if err := e.Mine(); err != nil {
		return err
	}
	if err := c.p.write(ctx, c.q.To, v); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh = begun
	return nil
}
