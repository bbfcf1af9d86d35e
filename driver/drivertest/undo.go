package drivertest

import (
	"errors"
	"fmt"

	"github.com/segue-run/segue/state"
)

// applied is a fresh world with the action applied, and its life so far.
func (w *walk) applied() (scene, *life, error) {
	s, err := w.begin()
	if err != nil {
		return s, nil, err
	}
	l := &life{}
	if _, err := w.apply(w.ctx, s.Action(), s, l); err != nil {
		return s, l, fmt.Errorf("Apply: %w", err)
	}
	return s, l, nil
}

func undoing(w *walk) error {
	s, l, err := w.applied()
	if err != nil {
		return err
	}
	return w.undone(s, l.after(), "Undo")
}

// undone undoes with a new action value and looks whether all is as before.
func (w *walk) undone(s scene, l *life, call string) error {
	kept, err := w.undo(w.ctx, s.Action(), s, l)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	if err := w.restored(s.Action(), s, kept); err != nil {
		return fmt.Errorf("after %s: %w", call, err)
	}
	return nil
}

func undoingAgain(w *walk) error {
	s, l, err := w.applied()
	if err != nil {
		return err
	}
	if err := w.undone(s, l.after(), "Undo"); err != nil {
		return err
	}
	first, err := w.settled(s.Action())
	if err != nil {
		return err
	}
	if err := w.undone(s, l.after(), "Undo again"); err != nil {
		return err
	}
	second, err := w.settled(s.Action())
	if err != nil {
		return err
	}
	return unlike("Undo again changed the world", w.diff(first, second))
}

func undoingNothing(w *walk) error {
	s, err := w.begin()
	if err != nil {
		return err
	}
	if err := w.undone(s, &life{}, "Undo without Apply"); err != nil {
		return err
	}
	found, err := w.observe(s.Action())
	if err != nil {
		return err
	}
	return unlike("Undo without Apply changed the world", w.diff(s.before, found))
}

func drifting(w *walk) error {
	if w.subject.NothingToDisturb {
		return nil
	}
	s, l, err := w.applied()
	if err != nil {
		return err
	}
	if s.Disturb == nil {
		return errors.New("the subject does not say how to disturb its world (or that there is nothing to disturb)")
	}
	left, err := w.observe(s.Action())
	if err != nil {
		return err
	}
	if err := s.Disturb(w.ctx); err != nil {
		return fmt.Errorf("disturb: %w", err)
	}
	found, err := w.observe(s.Action())
	if err != nil {
		return err
	}
	if len(state.Drift(w.public(left), w.public(found))) == 0 {
		return errors.New("somebody changed the world and no owned field shows it")
	}
	return w.undone(s, l.after(), "a forced Undo")
}
