package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/segue-run/segue/journal"
)

// Claim implements journal.Store.
func (s *Store) Claim(ctx context.Context, id string, resources []string) error {
	ids, err := journal.CanonicalResources(resources)
	if err != nil {
		return fmt.Errorf("claim for run %s: %w", id, err)
	}
	return s.do(ctx, "claim for", id, func(d *Disk) error {
		if r := d.runs[id]; r != nil && r.final {
			return journal.ErrFinal
		}
		for _, held := range slices.Sorted(maps.Keys(d.claims)) {
			for _, want := range ids {
				if d.claims[held] != id && (journal.Contains(held, want) || journal.Contains(want, held)) {
					return &journal.ClaimedError{Resource: held, Run: d.claims[held]}
				}
			}
		}
		if err := d.room(); err != nil {
			return err
		}
		if d.claims == nil {
			d.claims = map[string]string{}
		}
		for _, want := range ids {
			d.claims[want] = id
		}
		return nil
	})
}

// Unclaim implements journal.Store.
func (s *Store) Unclaim(ctx context.Context, id string) error {
	return s.do(ctx, "drop the claims of", id, func(d *Disk) error {
		d.unclaim(id)
		return nil
	})
}

func (d *Disk) unclaim(id string) {
	maps.DeleteFunc(d.claims, func(_, run string) bool { return run == id })
}

// Claims implements journal.Reader.
func (s *Store) Claims(ctx context.Context, id string) ([]string, error) {
	var held []string
	err := s.do(ctx, "list the claims of", id, func(d *Disk) error {
		for resource, run := range d.claims {
			if run == id {
				held = append(held, resource)
			}
		}
		return nil
	})
	slices.Sort(held)
	return held, err
}
