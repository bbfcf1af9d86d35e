package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

const (
	observeTries = 3
	observeFor   = 30 * time.Second
	settleEvery  = 250 * time.Millisecond
)

// observe looks at the world before a step, and plans.
func (l *loop) observe(f *flight) func(context.Context) {
	e := f.effect
	def, _ := l.rb.Step(e.Step)
	epoch := l.state.Epoch
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, observeFor)
		defer cancel()
		var err error
		for try := range observeTries {
			if try > 0 && !pause(ctx, time.Second) {
				break
			}
			var o *engine.Observed
			if o, err = l.observed(ctx, def, e, epoch); err == nil {
				l.tell(news{from: f, ended: true, observed: o})
				return
			}
			var refusal *driver.Refusal
			if errors.As(err, &refusal) {
				break
			}
		}
		l.tell(news{from: f, ended: true, events: []engine.Event{l.r.failure(e.Step, "observe", err)}})
	}
}

func (l *loop) observed(ctx context.Context, def runbook.Step, e engine.Effect, epoch int64) (*engine.Observed, error) {
	a, err := l.world.action(ctx, def)
	if err != nil {
		return nil, err
	}
	before, err := a.Observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the world: %w", err)
	}
	if e.Settle {
		if before, err = settled(ctx, a, before); err != nil {
			return nil, err
		}
		face, _ := l.face(before)
		return &engine.Observed{Step: def.ID, Before: face, Settled: true}, nil
	}
	want, err := plan(ctx, a, before, nil)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	o := &engine.Observed{Step: def.ID}
	var sealedBefore, sealedWant bool
	o.Before, sealedBefore = l.face(before)
	o.Want, sealedWant = l.face(want)
	if sealedBefore || sealedWant {
		if o.Seal, err = l.seal(def.ID, epoch, e.Attempt, before, want); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// plan asks the action what it would do; over is what earlier steps will have
// left of the world beyond what the action owns.
func plan(ctx context.Context, a driver.Action, before, over state.State) (state.State, error) {
	if s, ok := a.(driver.Surveyor); ok {
		others, err := s.Survey(ctx)
		if err != nil {
			return nil, fmt.Errorf("survey: %w", err)
		}
		return s.PlanAmong(before, others.With(over))
	}
	return a.Plan(before)
}

// settled watches the world until two looks in a row agree: what a dead
// process had sent may still be arriving.
func settled(ctx context.Context, a driver.Action, last state.State) (state.State, error) {
	for {
		if !pause(ctx, settleEvery) {
			return nil, fmt.Errorf("the world does not come to rest: %w", ctx.Err())
		}
		now, err := a.Observe(ctx)
		if err != nil {
			return nil, fmt.Errorf("look at the world: %w", err)
		}
		if len(state.Diff(state.Face(last), state.Face(now))) == 0 {
			return now, nil
		}
		last = now
	}
}

// survey looks at what the steps that are done see of the world now.
func (l *loop) survey(f *flight) func(context.Context) {
	var defs []runbook.Step
	for _, id := range f.effect.Steps {
		if def, ok := l.rb.Step(id); ok {
			defs = append(defs, def)
		}
	}
	return func(ctx context.Context) {
		faces := make([]state.Face, len(defs))
		var all sync.WaitGroup
		for i, def := range defs {
			all.Go(func() { faces[i] = l.lookUntil(ctx, def) })
		}
		all.Wait()
		n := engine.Surveyed{Key: f.effect.ID, Faces: map[string]state.Face{}}
		for i, def := range defs {
			n.Faces[def.ID] = faces[i]
		}
		if ctx.Err() == nil {
			l.tell(news{from: f, ended: true, surveyed: &n})
		}
	}
}

// lookUntil looks until there is an answer.
func (l *loop) lookUntil(ctx context.Context, def runbook.Step) state.Face {
	for {
		face, err := l.lookAt(ctx, def)
		if err == nil {
			return face
		}
		l.r.log().Warn("the world cannot be compared with what the run left; trying again", "step", def.ID, "error", err)
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

func (l *loop) lookAt(ctx context.Context, def runbook.Step) (state.Face, error) {
	a, err := l.world.action(ctx, def)
	if err != nil {
		return nil, err
	}
	s, err := a.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if s, err = settled(ctx, a, s); err != nil {
		return nil, err
	}
	face, _ := l.face(s)
	return face, nil
}
