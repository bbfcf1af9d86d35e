package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// retention says which bundles stay when a new one was made. The zero value: all.
type retention struct {
	Keep    int           `param:"keep" doc:"How many good bundles of that name stay, the newest; older ones are deleted when a new one is whole. The newest that backup.proven has restored stays in any case, and so does what is not good. All stay otherwise."`
	KeepFor time.Duration `param:"keep-for" doc:"Bundles that are younger stay, however many there are."`
}

func (r retention) check() error {
	if r.Keep < 0 {
		return &runbook.FieldError{Field: "keep", Problem: "fewer than none cannot stay", Remedy: "write how many, as in keep: 7"}
	}
	return nil
}

func (r retention) given() bool { return r.Keep > 0 || r.KeepFor > 0 }

// surplus are the names of the bundles that need not stay, the newest first. Only
// good ones count, so that what stays can be restored; what is not signed with
// the key is not ours to delete.
func (s *shelf) surplus(ctx context.Context, r retention) ([]string, error) {
	names, err := s.names()
	if err != nil || !r.given() || len(names) <= max(r.Keep, 1) {
		return nil, err
	}
	var out []string
	kept, proven := 0, false
	for _, name := range names {
		b, err := s.open(name)
		if err != nil {
			continue
		}
		// Proving what is kept is worth reading it; what goes is not read.
		stays := kept < max(r.Keep, 1) || time.Since(b.Taken) < r.KeepFor
		if !stays && proven {
			out = append(out, name)
			continue
		}
		lacks, err := s.unproved(b)
		if err != nil {
			return nil, err
		}
		was := lacks == "" && len(b.Parts) > 0 // where there is nothing to prove, nothing was
		if !stays && !was {
			out = append(out, name)
			continue
		}
		if err := b.fits(ctx, b.dir, &s.sums); ctx.Err() != nil {
			return nil, fmt.Errorf("look which bundles are good: %w", context.Cause(ctx))
		} else if err != nil {
			continue
		}
		kept++
		proven = proven || was
	}
	return out, nil
}

// prune deletes bundles. Each is gone at once, so that none is seen half-deleted.
func (s *shelf) prune(mine func() error, names []string) error {
	for _, name := range slices.Backward(names) { // the oldest first
		if err := mine(); err != nil {
			return err
		}
		aside, err := os.MkdirTemp(s.dir, s.partial())
		if err != nil {
			return fmt.Errorf("delete bundle %s: %w", name, err)
		}
		if err := os.Rename(filepath.Join(s.dir, name), filepath.Join(aside, name)); err != nil {
			return fmt.Errorf("delete bundle %s: %w", name, errors.Join(err, os.Remove(aside)))
		}
		if err := errors.Join(s.forget(name), os.RemoveAll(aside)); err != nil {
			return fmt.Errorf("delete bundle %s: %w", name, err)
		}
	}
	return nil
}

// retain deletes the bundles that need not stay, and saves first which these are.
func (b *bundling) retain(ctx context.Context, e driver.Effect, made cursor) error {
	names, err := b.shelf.surplus(ctx, b.p.retention)
	if err != nil || len(names) == 0 {
		return err
	}
	made.Gone = names
	if err := e.Save(ctx, made); err != nil {
		return err
	}
	return b.shelf.prune(e.Mine, names)
}
