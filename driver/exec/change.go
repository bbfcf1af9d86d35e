package exec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

type changeBase struct {
	Do      []string `param:"do,required" doc:"The argv that makes the change."`
	Observe []string `param:"observe,required" doc:"The argv whose output and exit status tell whether it was done: the state that the step owns. It changes nothing."`
	Want    string   `param:"want,required" doc:"What observe prints after the change, and ends with status 0."`
	surroundings
}

type changeParams struct {
	changeBase
	Undo []string `param:"undo,required" doc:"The argv that takes the change back. SEGUE_BEFORE holds what observe printed before."`
}

type irreversibleParams struct {
	changeBase
	Loses string `param:"loses,required" doc:"What cannot be had back; the approver is told."`
}

// Validate implements what types cannot say.
func (p changeBase) Validate() error {
	if err := argvError("do", p.Do); err != nil {
		return err
	}
	return argvError("observe", p.Observe)
}

// Validate implements what types cannot say.
func (p changeParams) Validate() error {
	if err := p.changeBase.Validate(); err != nil {
		return err
	}
	return argvError("undo", p.Undo)
}

// change makes a change by one command and takes it back by another. What it
// owns is what a third one sees. It cannot know what a command did that was
// killed half-way: what then is neither before nor want is for a person.
type change struct {
	p        changeParams
	resource driver.Resource
}

type changeIrreversible struct {
	change
	loses string
}

// Loses implements driver.Irreversible.
func (c *changeIrreversible) Loses() string { return c.loses }

// Undo cannot be.
func (c *changeIrreversible) Undo(context.Context, driver.Effect) error {
	return fmt.Errorf("what %s did cannot be undone; it loses %s", c.p.Do[0], c.loses)
}

func changeAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "exec", Doc: "Makes a change by a command that another command takes back; a third one tells which of the two holds.",
	}, func(_ context.Context, _ driver.Conn, p changeParams) (driver.Action, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		return newChange(p)
	})
}

func irreversibleAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "exec.irreversible", Irreversible: true,
		Doc: "Makes a change by a command that nothing takes back.",
	}, func(_ context.Context, _ driver.Conn, p irreversibleParams) (driver.Action, error) {
		if err := p.Validate(); err != nil {
			return nil, err
		}
		c, err := newChange(changeParams{changeBase: p.changeBase})
		if err != nil {
			return nil, err
		}
		return &changeIrreversible{*c, p.Loses}, nil
	})
}

func newChange(p changeParams) (*change, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("exec: name of this machine: %w", err)
	}
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, fmt.Errorf("exec: directory %s: %w", p.Dir, err)
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	text := strings.Join(p.Observe, " ")
	sum := sha256.Sum256([]byte(dir + "\x00" + strings.Join(p.Observe, "\x00")))
	// Arguments may hold secrets, and an identity is for everybody to see.
	label := filepath.Base(p.Observe[0])
	return &change{p, driver.Resource{
		ID:   "exec:" + host + "/output/" + label + " " + hex.EncodeToString(sum[:4]),
		Name: "what " + text + " shows",
	}}, nil
}

// shown is the owned state.
type shown struct {
	Output string `json:"output"`
	Exit   int    `json:"exit"`
}

func (s shown) String() string {
	if s.Exit != 0 {
		return fmt.Sprintf("%q with exit status %d", s.Output, s.Exit)
	}
	return fmt.Sprintf("%q", s.Output)
}

func (c *change) Resources() []driver.Resource { return []driver.Resource{c.resource} }

func (c *change) Observe(ctx context.Context) (state.State, error) {
	s, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	return state.Of(c.resource.ID, s), nil
}

func (c *change) look(ctx context.Context) (shown, error) {
	r, err := c.p.run(ctx, c.p.Observe)
	if err != nil {
		return shown{}, fmt.Errorf("observe: %w", err)
	}
	return shown{r.output, r.exit}, nil
}

func (c *change) Plan(state.State) (state.State, error) {
	return state.Of(c.resource.ID, shown{Output: strings.TrimSpace(c.p.Want)}), nil
}

func (c *change) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	return c.bring(ctx, e, "do", c.p.Do, e.Want)
}

// Undo runs undo unless all is as before, and looks whether it helped.
func (c *change) Undo(ctx context.Context, e driver.Effect) error {
	_, err := c.bring(ctx, e, "undo", c.p.Undo, e.Before)
	return err
}

// bring runs a command unless what it is to bring about is so already.
func (c *change) bring(ctx context.Context, e driver.Effect, name string, argv []string, target state.State) (state.State, error) {
	var to, before shown
	if ok, err := target.Decode(c.resource.ID, &to); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("%s: no state of %s to bring about", name, c.resource.Name), err)
	}
	if _, err := e.Before.Decode(c.resource.ID, &before); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	is, err := c.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if is == to {
		return state.Of(c.resource.ID, is), nil
	}
	if err := e.Mine(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err := c.p.run(ctx, argv, "SEGUE_BEFORE="+before.Output, "SEGUE_WANT="+c.p.Want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if is, err = c.look(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case r.exit != 0:
		return nil, fmt.Errorf("%s: %s ended with exit status %d%s; %s now shows %s", name, argv[0], r.exit, said(r.errors), c.p.Observe[0], is)
	case is != to:
		return nil, fmt.Errorf("%s: %s ran, and %s then shows %s, not %s%s", name, argv[0], c.p.Observe[0], is, to, said(r.errors))
	}
	return state.Of(c.resource.ID, is), nil
}
