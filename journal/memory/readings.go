package memory

import (
	"context"
	"slices"
	"time"

	"github.com/segue-run/segue/journal"
)

// Observe implements journal.Store.
func (s *Store) Observe(ctx context.Context, readings []journal.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	return s.do(ctx, "store readings of", readings[0].Run, func(d *Disk) error {
		if err := d.room(); err != nil {
			return err
		}
		for _, r := range readings {
			r.At, r.Data = r.At.UTC().Round(0), clone(r.Data)
			d.readings = append(d.readings, r)
		}
		slices.SortStableFunc(d.readings, func(a, b journal.Reading) int { return a.At.Compare(b.At) })
		return nil
	})
}

// Readings implements journal.Reader.
func (s *Store) Readings(ctx context.Context, id, check string, since time.Time) ([]journal.Reading, error) {
	var found []journal.Reading
	err := s.do(ctx, "read the readings of", id, func(d *Disk) error {
		for _, r := range d.readings {
			if r.Run == id && (check == "" || r.Check == check) && !r.At.Before(since) {
				r.Data = clone(r.Data)
				found = append(found, r)
			}
		}
		return nil
	})
	return found, err
}

// Prune implements journal.Store.
func (s *Store) Prune(ctx context.Context, id string, before time.Time) (int64, error) {
	var n int64
	err := s.do(ctx, "prune the readings of", id, func(d *Disk) error {
		had := len(d.readings)
		d.readings = slices.DeleteFunc(d.readings, func(r journal.Reading) bool { return r.Run == id && r.At.Before(before) })
		n = int64(had - len(d.readings))
		return nil
	})
	return n, err
}
