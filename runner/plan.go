package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// A Planned step is what a step would do to the world as the earlier steps
// will have left it.
type Planned struct {
	Phase     string            `json:"phase"`
	Step      string            `json:"step"`
	Name      string            `json:"name"`
	Kind      string            `json:"kind"`
	Pos       runbook.Pos       `json:"pos"`
	Diff      []state.Change    `json:"diff,omitempty"`
	NoReturn  bool              `json:"point_of_no_return,omitempty"`
	Loses     string            `json:"loses,omitempty"`
	Costs     string            `json:"costs,omitempty"`
	Resources []driver.Resource `json:"resources"`
	Error     string            `json:"error,omitempty"`
	Remedy    string            `json:"remedy,omitempty"`
}

// ErrRefused: the plan has steps that cannot be carried out.
var ErrRefused = errors.New("the plan is refused")

// Plan looks at the live systems, changes nothing, and says of each step what
// it would change. A step that cannot be planned carries its error, and the
// result is ErrRefused; later steps are planned all the same.
func (r *Runner) Plan(ctx context.Context, rb *runbook.Runbook) ([]Planned, error) {
	w := newWorld(r, rb)
	defer w.close()
	p := planner{r: r, w: w, key: []byte("plan"), world: state.State{}}
	var out []Planned
	refused := false
	for _, phase := range rb.Phases {
		for _, step := range phase.Steps {
			planned := p.step(ctx, phase.Name, step)
			refused = refused || planned.Error != ""
			out = append(out, planned)
		}
	}
	if refused {
		return out, ErrRefused
	}
	return out, nil
}

// planner keeps the world as the steps planned so far will have left it.
type planner struct {
	r     *Runner
	w     *world
	key   []byte
	world state.State
}

func (p *planner) step(ctx context.Context, phase string, def runbook.Step) Planned {
	out := Planned{Phase: phase, Step: def.ID, Name: def.Name, Kind: def.Kind.Name, Pos: def.Pos, NoReturn: def.NoReturn}
	if err := p.plan(ctx, def, &out); err != nil {
		out.Error = p.r.errorText(err)
		var refusal *driver.Refusal
		if errors.As(err, &refusal) {
			out.Remedy = refusal.Remedy
		}
	}
	return out
}

func (p *planner) plan(ctx context.Context, def runbook.Step, out *Planned) error {
	ctx, cancel := context.WithTimeout(ctx, observeFor)
	defer cancel()
	a, err := p.w.action(ctx, def)
	if err != nil {
		return err
	}
	out.Resources = a.Resources()
	if ir, ok := a.(driver.Irreversible); ok {
		out.Loses = ir.Loses()
	}
	seen, err := a.Observe(ctx)
	if err != nil {
		return fmt.Errorf("look at the world: %w", err)
	}
	before := p.expected(seen)
	want, err := plan(ctx, a, before, p.world)
	if err != nil {
		return err
	}
	if costly, ok := a.(driver.Costly); ok {
		out.Costs = costly.Costs(before, want)
	}
	l := loop{r: p.r, key: p.key}
	from, _ := l.face(before)
	to, _ := l.face(want)
	out.Diff = state.Diff(from, to)
	p.world = p.world.With(want)
	return nil
}

// expected is what the step will find: what is there now, and over it, in the
// fields it owns, what the earlier steps will have left.
func (p *planner) expected(seen state.State) state.State {
	over := state.State{}
	for id, fields := range seen {
		for name := range fields {
			if v, ok := p.world[id][name]; ok {
				over = over.With(state.State{id: {name: v}})
			}
		}
	}
	return seen.With(over)
}
