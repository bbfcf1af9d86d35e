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
	epoch, clear := l.state.Epoch, l.clear(e.Step)
	st := l.state.Steps[e.Step]
	restores := st != nil && st.First
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, observeFor)
		defer cancel()
		var err error
		for try := range observeTries {
			if try > 0 && !pause(ctx, time.Second) {
				break
			}
			var o *engine.Observed
			look := func(ctx context.Context) (*engine.Observed, error) {
				return l.observed(ctx, def, e, restores, epoch, clear)
			}
			if o, err = within(ctx, look); err == nil {
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

func (l *loop) observed(ctx context.Context, def runbook.Step, e engine.Effect, restores bool, epoch int64, clear []state.Face) (*engine.Observed, error) {
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
		face, _ := l.face(before, clear...)
		return &engine.Observed{Step: def.ID, Before: face, Settled: true}, nil
	}
	var want state.State
	if r, ok := a.(driver.Overrider); ok && restores {
		want, err = r.PlanOver(before)
	} else {
		want, err = plan(ctx, a, before, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	o := &engine.Observed{Step: def.ID}
	var sealedBefore, sealedWant bool
	o.Before, sealedBefore = l.face(before, clear...)
	o.Want, sealedWant = l.face(want, clear...)
	if sealedBefore || sealedWant {
		if o.Seal, err = l.seal(def.ID, epoch, e.Attempt, before, want); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// clear lists the faces in which the run has said what a step owns.
func (l *loop) clear(step string) []state.Face {
	faces := []state.Face{l.state.Left}
	if st := l.state.Steps[step]; st != nil {
		faces = append(faces, st.Before, st.Want)
	}
	return faces
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
	left := l.state.Left
	return func(ctx context.Context) {
		n := engine.Surveyed{Key: f.effect.ID, Faces: map[string]state.Face{}, Unseen: map[string]string{}}
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, def := range defs {
			all.Go(func() {
				face, err := l.lookUntil(ctx, def, left)
				mu.Lock()
				defer mu.Unlock()
				if n.Faces[def.ID] = face; err != nil {
					n.Unseen[def.ID] = l.r.errorText(err)
				}
			})
		}
		all.Wait()
		if ctx.Err() == nil {
			l.tell(news{from: f, ended: true, surveyed: &n})
		}
	}
}

// lookUntil looks until there is an answer, for as long as a look may take.
func (l *loop) lookUntil(ctx context.Context, def runbook.Step, left state.Face) (state.Face, error) {
	ctx, cancel := context.WithTimeout(ctx, observeFor)
	defer cancel()
	var last error
	for {
		face, err := within(ctx, func(ctx context.Context) (state.Face, error) { return l.lookAt(ctx, def, left) })
		if err == nil {
			return face, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // not merely that the time was over
		}
		l.r.log().Warn("the world cannot be compared with what the run left; trying again", "step", def.ID, "error", err)
		if !pause(ctx, time.Second) {
			return nil, last
		}
	}
}

func (l *loop) lookAt(ctx context.Context, def runbook.Step, left state.Face) (state.Face, error) {
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
	face, _ := l.face(s, left)
	return face, nil
}
