package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

func resources(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	owned := s.Action().Resources()
	if len(owned) == 0 {
		return errors.New("the action writes no resource, so nothing can be claimed")
	}
	for _, r := range owned {
		w.say(r.ID, r.Name)
		if r.ID == "" || r.Name == "" {
			return fmt.Errorf("a resource lacks its identity or its name: %+v", r)
		}
	}
	if again := s.Action().Resources(); !slices.Equal(owned, again) {
		return fmt.Errorf("a new action value names other resources: %v, then %v", owned, again)
	}
	for _, st := range []state.State{s.before, s.want} {
		for id := range st {
			if !slices.ContainsFunc(owned, func(r driver.Resource) bool { return id == r.ID || strings.HasPrefix(id, r.ID+"/") }) {
				return fmt.Errorf("the state holds %s, which is not among the resources %v", id, owned)
			}
		}
	}
	return nil
}

func observing(w *walk) error {
	world := w.subject.World(w.t)
	first, err := w.observe(world.Action())
	if err != nil {
		return err
	}
	second, err := w.observe(world.Action())
	if err != nil {
		return err
	}
	return unlike("a second Observe differs from the first", w.diff(first, second))
}

func planning(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	given := copyOf(s.before)
	again, err := w.plan(s.Action(), given)
	if err != nil {
		return err
	}
	if err := unlike("planning changed the state it was given", w.diff(s.before, given)); err != nil {
		return err
	}
	if err := unlike("planning again wants something else", w.diff(s.want, again)); err != nil {
		return err
	}
	found, err := w.observe(s.Action())
	if err != nil {
		return err
	}
	return unlike("planning changed the world", w.diff(s.before, found))
}

func applying(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	a := s.Action()
	after, err := w.apply(w.ctx, a, s, &life{})
	if err != nil {
		return fmt.Errorf("Apply: %w", err)
	}
	if err := unlike("Apply returned something else than was wanted", w.diff(s.want, after)); err != nil {
		return err
	}
	found, err := w.observe(s.Action())
	if err != nil {
		return err
	}
	if err := unlike("Observe sees something else than Apply returned", w.diff(after, found)); err != nil {
		return err
	}
	if see, ok := a.(driver.Witness); ok {
		if err := w.heard(see.Witness(w.ctx, copyOf(s.want))); err != nil {
			return fmt.Errorf("the witness does not see what was applied: %w", err)
		}
	}
	if w.subject.AlwaysActs {
		return nil
	}
	next, err := w.plan(s.Action(), found)
	if err != nil {
		return err
	}
	return unlike("planning on what was applied finds something to do", w.diff(found, next))
}

func applyingAgain(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	l := &life{}
	if _, err := w.apply(w.ctx, s.Action(), s, l); err != nil {
		return fmt.Errorf("Apply: %w", err)
	}
	first, err := w.settled(s.Action())
	if err != nil {
		return err
	}
	after, err := w.apply(w.ctx, s.Action(), s, l.after())
	if err != nil {
		return fmt.Errorf("Apply again: %w", err)
	}
	if err := unlike("Apply again returned something else than was wanted", w.diff(s.want, after)); err != nil {
		return err
	}
	second, err := w.settled(s.Action())
	if err != nil {
		return err
	}
	return unlike("Apply again changed the world", w.diff(first, second))
}

// background: the work of a Background action starts from what Apply left and
// ends with its context.
func background(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	a, ok := s.Action().(driver.Background)
	if !ok {
		return nil
	}
	l := &life{}
	if _, err := w.apply(w.ctx, a, s, l); err != nil {
		return fmt.Errorf("Apply: %w", err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, l.after().effect(w, s)) }()
	if _, err := a.Staleness(ctx); err != nil {
		return fmt.Errorf("Staleness of running work: %w", w.heard(err))
	}
	cancel()
	return w.prompt(ended, "Run")
}

func irreversible(w *walk) error {
	a, ok := w.subject.World(w.t).Action().(driver.Irreversible)
	if ok && strings.TrimSpace(a.Loses()) == "" {
		return errors.New("an irreversible action does not say what it loses")
	}
	return nil
}

// prompt waits for a call whose context has just been cancelled.
func (w *walk) prompt(ended <-chan error, call string) error {
	late := time.NewTimer(w.subject.promptly())
	defer late.Stop()
	select {
	case err := <-ended:
		_ = w.heard(err)
		return nil
	case <-late.C:
		return fmt.Errorf("%s still runs %s after its context was cancelled", call, w.subject.promptly())
	}
}

func unlike(what string, changes []state.Change) error {
	if len(changes) == 0 {
		return nil
	}
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.String()
	}
	return fmt.Errorf("%s: %s", what, strings.Join(texts, "; "))
}
