package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
)

// roll brings a service to a target, one replica after the other.
type roll struct {
	conn    *Conn
	service string
	asking  asking
	within  time.Duration
	to      target
	effect  driver.Effect
	// back: an undo. It must restore what does not work as well, and does not
	// wait for long until it does.
	back bool
}

// patience is how long an undo waits for what did not work when it began: for
// all of it together, as it may never work while something else is broken.
const patience = 5 * time.Second

// run goes over the replicas. Those that do not work come first: replacing
// them takes nothing from anyone. One that works is replaced only while another
// one does.
func (r *roll) run(ctx context.Context) error {
	replicas, err := r.found(ctx)
	if err != nil {
		return err
	}
	trouble := r.trouble(ctx, replicas)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var names, sound []string
	var failed []error
	for _, rep := range replicas {
		switch {
		case r.to.apart(rep.name):
			continue
		case trouble[rep.name] == nil:
			sound = append(sound, rep.name)
		default:
			if err := r.replace(ctx, rep.name); !r.goesOn(ctx, err) {
				return err
			} else if err != nil {
				failed = append(failed, err)
				continue
			}
		}
		names = append(names, rep.name)
	}
	for _, name := range sound {
		if err := r.replaceSound(ctx, names, name); !r.goesOn(ctx, err) {
			return err
		} else if err != nil {
			failed = append(failed, err)
		}
	}
	if err := r.end(ctx, names, sound); !r.goesOn(ctx, err) {
		return err
	} else if err != nil {
		failed = append(failed, err)
	}
	return errors.Join(append(failed, r.takeApart(ctx, replicas))...)
}

// goesOn reports whether the other replicas still have their turn: an undo goes
// on past one that fails, as long as it may write.
func (r *roll) goesOn(ctx context.Context, err error) bool {
	return err == nil || r.back && ctx.Err() == nil && !errors.Is(err, driver.ErrNotMine)
}

// found waits for replicas that somebody is replacing already: a predecessor.
func (r *roll) found(ctx context.Context) ([]replica, error) {
	var replicas []replica
	var failed error
	late := await(ctx, r.within, func(ctx context.Context) error {
		if replicas, failed = r.conn.service(ctx, r.service); failed != nil {
			return nil
		}
		for _, rep := range replicas {
			if rep.definition == nil {
				return r.wrap(rep.name, errors.New("it is being replaced and does not come back"))
			}
		}
		return nil
	})
	return replicas, errors.Join(failed, late)
}

// trouble asks all replicas at once; nil is one that works.
func (r *roll) trouble(ctx context.Context, replicas []replica) map[string]error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	out := make(map[string]error, len(replicas))
	for _, rep := range replicas {
		wg.Go(func() {
			err := r.conn.works(ctx, r.asking, rep.name)
			mu.Lock()
			defer mu.Unlock()
			out[rep.name] = err
		})
	}
	wg.Wait()
	return out
}

// replaceSound replaces a replica that works, once another one does: going
// forward all others must, so that a bad change stops at the first.
func (r *roll) replaceSound(ctx context.Context, names []string, name string) error {
	d, err := r.conn.definition(ctx, name)
	if err != nil {
		return err
	}
	if _, changes, err := r.to.edit(name, d); err != nil || !changes {
		return r.wrap(name, err)
	}
	if len(names) > 1 {
		others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
		if err := r.awaitOthers(ctx, others); err != nil {
			return fmt.Errorf("%s: service %s: %s is left as it is: %w", r.conn, r.service, name, err)
		}
	}
	return r.replace(ctx, name)
}

func (r *roll) awaitOthers(ctx context.Context, others []string) error {
	return await(ctx, r.within, func(ctx context.Context) error {
		var wrong []error
		for _, name := range others {
			if err := r.conn.works(ctx, r.asking, name); err != nil {
				wrong = append(wrong, fmt.Errorf("%s does not work: %w", name, err))
			}
		}
		if r.back && len(wrong) < len(others) {
			return nil
		}
		return errors.Join(wrong...)
	})
}

// end waits until all that is to work does.
func (r *roll) end(ctx context.Context, names, sound []string) error {
	late := time.Now().Add(patience)
	for _, name := range names {
		within, mustWork := r.within, true
		if r.back && !slices.Contains(sound, name) {
			within, mustWork = min(within, max(time.Until(late), lookEvery)), false
		}
		err := await(ctx, within, func(ctx context.Context) error { return r.conn.works(ctx, r.asking, name) })
		if err != nil && (mustWork || ctx.Err() != nil) {
			return r.wrap(name, fmt.Errorf("it does not work: %w", err))
		}
	}
	return nil
}

// replace makes one replica what it is to be, if it is not. Before it writes it
// looks again: time has passed.
func (r *roll) replace(ctx context.Context, name string) error {
	old, err := r.conn.definition(ctx, name)
	if err != nil {
		return err
	}
	next, changes, err := r.to.edit(name, old)
	if err != nil {
		return r.wrap(name, err)
	}
	if changes {
		return r.wrap(name, r.conn.replace(ctx, r.effect.Mine, name, old, next.renewed()))
	}
	if s, err := r.conn.status(ctx, name); err != nil || !s.stopped() {
		return err
	}
	return r.wrap(name, r.conn.startAgain(ctx, r.effect.Mine, name, old))
}

// takeApart gives the replicas that are not to run their definition, and stops
// them.
func (r *roll) takeApart(ctx context.Context, replicas []replica) error {
	for _, rep := range replicas {
		if !r.to.apart(rep.name) {
			continue
		}
		if next, changes, err := r.to.edit(rep.name, rep.definition); err != nil {
			return r.wrap(rep.name, err)
		} else if changes {
			if err := r.conn.hold(ctx, r.effect.Mine, rep.name, rep.definition, next.renewed()); err != nil {
				return r.wrap(rep.name, err)
			}
			continue
		}
		if s, err := r.conn.status(ctx, rep.name); err != nil {
			return err
		} else if s.stopped() {
			continue
		}
		if err := r.conn.takeDown(ctx, r.effect.Mine, rep.name, rep.definition); err != nil {
			return r.wrap(rep.name, err)
		}
	}
	return nil
}

func (r *roll) wrap(replica string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: service %s: %s: %w", r.conn, r.service, replica, err)
}
