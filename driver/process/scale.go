package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

type scaleParams struct {
	rolling
	Replicas int `param:"replicas,required" doc:"How many of the defined replicas run from now on, 0 for none. Those that are missing are started, the lowest number first; those that are too many are stopped, the highest first."`
	answering
}

// Validate implements what types cannot say.
func (p scaleParams) Validate() error {
	switch {
	case p.Replicas < 0:
		return &runbook.FieldError{Field: "replicas", Problem: "fewer than none cannot run", Remedy: "write how many are to run; 0 stops the service"}
	case p.Replicas == 0 && len(p.Answers) > 0:
		return &runbook.FieldError{Field: "answers", Problem: "none is to run, so none can answer", Remedy: "leave it out"}
	}
	if err := p.asking.validate(); err != nil {
		return err
	}
	return p.answering.validate()
}

// scale makes a number of a service's replicas run. It owns which of them are
// stopped, and nothing of what they run.
//
// It starts and stops what is defined. process-compose could also add copies of
// a process, and take them away with their definitions; it is not asked to: a
// copy has the addresses of what it was copied from, and none of what was
// changed since the project was read.
type scale struct {
	*change
	replicas int
	what     answering
}

func scaleAction() driver.Part {
	return driver.Acts(driver.About{
		Name: "process.scale", On: kind, Resumable: true,
		Doc: "Makes so many of a service's replicas run: starts those that are defined and stopped, and waits until they work, or stops what is too much. Undoing it runs those that ran before.",
	}, newScale)
}

func newScale(ctx context.Context, conn *Conn, p scaleParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process.scale: %w", err)
	}
	c, err := newChange(ctx, conn, p.rolling, nil)
	if err != nil {
		return nil, err
	}
	s := &scale{c, p.Replicas, p.answering}
	if p.Health == "" {
		return s, nil
	}
	return &watched{s}, nil
}

func (s *scale) Plan(before state.State) (state.State, error) { return s.PlanAmong(before, nil) }

// PlanAmong implements driver.Surveyor.
func (s *scale) PlanAmong(before, others state.State) (state.State, error) {
	defined := names(others, s.resource.ID, definedField)
	if len(defined) == 0 {
		return nil, fmt.Errorf("plan: nothing is known of the replicas of %s", s.resource.Name)
	}
	if s.replicas > len(defined) {
		return nil, &driver.Refusal{
			System: s.conn.String(),
			Reason: fmt.Sprintf("service %s has %d replicas (%s), so %d cannot run", s.p.Service, len(defined), strings.Join(defined, ", "), s.replicas),
			Remedy: fmt.Sprintf("write at most %d, or define more of them in the project, each with addresses of its own", len(defined)),
		}
	}
	stopped := names(before, s.resource.ID, stoppedField)
	running := len(defined)
	for _, name := range defined {
		if slices.Contains(stopped, name) {
			running--
		}
	}
	want := []string{}
	for _, name := range defined {
		if is := slices.Contains(stopped, name); is && running < s.replicas {
			running++ // the lowest first
		} else if is {
			want = append(want, name)
		}
	}
	for _, name := range slices.Backward(defined) {
		if running > s.replicas && !slices.Contains(want, name) {
			want = append(want, name)
			running--
		}
	}
	slices.SortFunc(want, inOrder)
	return state.State{s.resource.ID: {stoppedField: encode(want)}}, nil
}

// Apply starts before it stops. A cursor tells a successor to look after those
// that were started even where all run: they may not work yet.
func (s *scale) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := s.begin(ctx, e); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := s.forward(ctx, e); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return s.Observe(ctx)
}

// Resume implements driver.Resumable.
func (s *scale) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return s.Apply(ctx, e)
}

func (s *scale) forward(ctx context.Context, e driver.Effect) error {
	was := names(e.Before, s.resource.ID, stoppedField)
	r, err := s.rollTo(e, e.Want, false)
	if err != nil {
		return err
	}
	replicas, err := r.found(ctx)
	if err != nil {
		return err
	}
	var started []string
	for _, rep := range replicas {
		if r.to.apart(rep.name) {
			continue
		}
		if rep.status.stopped() {
			if err := r.wrap(rep.name, s.conn.startAgain(ctx, e.Mine, rep.name, rep.definition)); err != nil {
				return err
			}
		} else if !slices.Contains(was, rep.name) {
			continue
		}
		started = append(started, rep.name)
	}
	if err := s.awaitStarted(ctx, r, started); err != nil {
		return err
	}
	return s.stopRest(ctx, r, replicas)
}

// awaitStarted gives all of them together their time.
func (s *scale) awaitStarted(ctx context.Context, r *roll, started []string) error {
	return await(ctx, r.within, func(ctx context.Context) error {
		var wrong []error
		for _, name := range started {
			if err := s.conn.answers(ctx, s.p.asking, s.what, name); err != nil {
				wrong = append(wrong, r.wrap(name, fmt.Errorf("it was started and does not work: %w", err)))
			}
		}
		return errors.Join(wrong...)
	})
}

// stopRest stops the highest first. Where some are to stay, one of them must
// work: the service goes away only if that is asked for.
func (s *scale) stopRest(ctx context.Context, r *roll, replicas []replica) error {
	var stay []string
	for _, rep := range replicas {
		if !r.to.apart(rep.name) {
			stay = append(stay, rep.name)
		}
	}
	for _, rep := range slices.Backward(replicas) {
		if !r.to.apart(rep.name) || rep.status.stopped() {
			continue
		}
		if err := s.awaitOne(ctx, r, stay); err != nil {
			return r.wrap(rep.name, fmt.Errorf("it is left running, as none of those that stay works: %w", err))
		}
		if err := r.wrap(rep.name, s.conn.takeDown(ctx, r.effect.Mine, rep.name, rep.definition)); err != nil {
			return err
		}
	}
	return nil
}

func (s *scale) awaitOne(ctx context.Context, r *roll, stay []string) error {
	return await(ctx, r.within, func(ctx context.Context) error {
		var wrong []error
		for _, name := range stay {
			err := s.conn.works(ctx, s.p.asking, name)
			if err == nil {
				return nil
			}
			wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
		}
		return errors.Join(wrong...)
	})
}

// Undo runs exactly those that ran before. It starts before it stops, and waits
// a while for those it starts; what does not work may not have worked before.
func (s *scale) Undo(ctx context.Context, e driver.Effect) error {
	r, err := s.rollTo(e, e.Before, true)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	replicas, err := r.found(ctx)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	var failed []error
	var started []string
	for _, rep := range replicas {
		if r.to.apart(rep.name) || !rep.status.stopped() {
			continue
		}
		err := r.wrap(rep.name, s.conn.startAgain(ctx, e.Mine, rep.name, rep.definition))
		if !r.goesOn(ctx, err) {
			return fmt.Errorf("undo: %w", err)
		} else if err != nil {
			failed = append(failed, err)
			continue
		}
		started = append(started, rep.name)
	}
	if err := r.end(ctx, started, nil); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	for _, rep := range slices.Backward(replicas) {
		if !r.to.apart(rep.name) || rep.status.stopped() {
			continue
		}
		err := r.wrap(rep.name, s.conn.takeDown(ctx, e.Mine, rep.name, rep.definition))
		if !r.goesOn(ctx, err) {
			return fmt.Errorf("undo: %w", err)
		} else if err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	return nil
}

func (s *scale) rollTo(e driver.Effect, to state.State, back bool) (*roll, error) {
	raw, ok := to[s.resource.ID][stoppedField]
	if !ok || !json.Valid(raw) || string(raw) == removed {
		return nil, fmt.Errorf("%s: the state does not say which replicas are to run", s.resource.Name)
	}
	t, err := targetOf(to, s.resource.ID, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.resource.Name, err)
	}
	return &roll{conn: s.conn, service: s.p.Service, asking: s.p.asking, within: s.p.within(), to: t, effect: e, back: back}, nil
}
