package drivertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// tooMany boundaries in one call mean that it does not end.
const tooMany = 500

func applyCrashesAndGoesOn(w *walk) error {
	return w.crashApply(func(s scene, l *life, found state.State) error {
		if err := w.goOn(s, l, found); err != nil {
			return err
		}
		if _, ok := s.Action().(driver.Irreversible); ok {
			return nil
		}
		return w.undone(s, l.after(), "Undo of what went on after the crash")
	})
}

func applyCrashesAndIsUndone(w *walk) error {
	return w.crashApply(func(s scene, l *life, _ state.State) error {
		return w.undone(s, l.after(), "Undo")
	})
}

// crashApply ends Apply at its first boundary, then in a fresh world at its
// second, and so on, until it gets through. After each crash a new action
// value finds the world, and then goes on.
func (w *walk) crashApply(then func(s scene, l *life, found state.State) error) error {
	for n := 1; n < tooMany; n += w.subject.stride() {
		s, err := w.begin()
		if err != nil {
			return err
		}
		l := &life{endsAt: n}
		_, err = w.apply(w.ctx, s.Action(), s, l)
		done, err := crashed("Apply", n, l, err)
		if done || err != nil {
			return err
		}
		found, err := w.settled(s.Action())
		if err != nil {
			return err
		}
		if n == 1 {
			if err := unlike("Apply changed the world before it asked Mine", w.diff(s.before, found)); err != nil {
				return err
			}
		}
		if err := then(s, l, found); err != nil {
			return fmt.Errorf("crash at boundary %d of Apply: %w", n, err)
		}
	}
	if w.subject.stride() >= tooMany {
		return nil // the first was all that was asked for
	}
	return fmt.Errorf("Apply passes more than %d boundaries", tooMany)
}

// crashed judges how a call took the end of its life at boundary n. done: it
// has no such boundary.
func crashed(call string, n int, l *life, err error) (done bool, _ error) {
	switch {
	case l.count() < n && err != nil:
		return true, fmt.Errorf("%s: %w", call, err)
	case l.count() < n && n == 1:
		return true, fmt.Errorf("%s changed the world and never asked Mine", call)
	case l.count() < n:
		return true, nil
	case err == nil:
		return false, fmt.Errorf("%s reported success although boundary %d said that the lease is gone", call, n)
	case !errors.Is(err, driver.ErrNotMine):
		return false, fmt.Errorf("%s hides that the lease is gone at boundary %d: %w", call, n, err)
	case l.count() > n+2:
		return false, fmt.Errorf("%s goes on although boundary %d said that the lease is gone", call, n)
	}
	return false, nil
}

// goOn does what a runner does with an intent that has no outcome.
func (w *walk) goOn(s scene, l *life, found state.State) error {
	a, next := s.Action(), l.after()
	var after state.State
	var err error
	switch resumable, ok := a.(driver.Resumable); {
	case w.same(found, s.before) || w.same(found, s.want):
		after, err = w.apply(w.ctx, a, s, next)
	case ok:
		after, err = resumable.Resume(w.ctx, next.effect(w, s))
		w.face(after)
		err = w.heard(err)
	default:
		return unlike("the world is between before and want, and the action is not Resumable", w.diff(s.want, found))
	}
	if err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	l.cursor = next.cursor
	if err := unlike("going on returned something else than was wanted", w.diff(s.want, after)); err != nil {
		return err
	}
	found, err = w.settled(s.Action())
	if err != nil {
		return err
	}
	return unlike("going on did not reach what was wanted", w.diff(s.want, found))
}

func undoCrashes(w *walk) error {
	for n := 1; n < tooMany; n += w.subject.stride() {
		s, before, err := w.applied()
		if err != nil {
			return err
		}
		left, err := w.settled(s.Action())
		if err != nil {
			return err
		}
		l := before.after()
		l.endsAt = n
		_, err = w.undo(w.ctx, s.Action(), s, l)
		if w.same(left, s.before) && l.count() == 0 { // as with a probe: nothing to undo
			return err
		}
		done, err := crashed("Undo", n, l, err)
		if done || err != nil {
			return err
		}
		if err := w.undone(s, l.after(), "another Undo"); err != nil {
			return fmt.Errorf("crash at boundary %d of Undo: %w", n, err)
		}
	}
	if w.subject.stride() >= tooMany {
		return nil // the first was all that was asked for
	}
	return fmt.Errorf("Undo passes more than %d boundaries", tooMany)
}

// applyCancelled cancels at the first and at the last boundary of Apply; what
// is then found can be undone.
func applyCancelled(w *walk) error {
	s, l, err := w.applied()
	if err != nil {
		return err
	}
	_, forever := s.Action().(driver.Irreversible)
	for _, n := range ends(l.count()) {
		s, err := w.begin()
		if err != nil {
			return err
		}
		l := &life{}
		if err := w.cancelAt(n, l, "Apply", func(ctx context.Context) error {
			_, err := s.Action().Apply(ctx, l.effect(w, s))
			return err
		}); err != nil || forever {
			return err
		}
		if err := w.undone(s, l.after(), "Undo of a cancelled Apply"); err != nil {
			return err
		}
	}
	return nil
}

func undoCancelled(w *walk) error {
	s, before, err := w.applied()
	if err != nil {
		return err
	}
	l := before.after()
	if _, err := w.undo(w.ctx, s.Action(), s, l); err != nil {
		return fmt.Errorf("Undo: %w", err)
	}
	for _, n := range ends(l.count()) {
		s, before, err := w.applied()
		if err != nil {
			return err
		}
		l := before.after()
		if err := w.cancelAt(n, l, "Undo", func(ctx context.Context) error {
			return s.Action().Undo(ctx, l.effect(w, s))
		}); err != nil {
			return err
		}
		if err := w.undone(s, l.after(), "Undo after a cancelled Undo"); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) cancelAt(n int, l *life, call string, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	reached := make(chan struct{})
	l.onPass = func(passed int) {
		if passed == n {
			cancel()
			close(reached)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	select {
	case <-reached:
	case err := <-ended:
		ended <- err
	case <-w.ctx.Done():
		return fmt.Errorf("%s does not reach boundary %d: %w", call, n, w.ctx.Err())
	}
	if err := w.prompt(ended, call); err != nil {
		return fmt.Errorf("cancelled at boundary %d: %w", n, err)
	}
	return nil
}

func ends(last int) []int {
	switch last {
	case 0:
		return nil
	case 1:
		return []int{1}
	}
	return []int{1, last}
}
