package memory

import (
	"context"
	"slices"

	"github.com/segue-run/segue/journal"
)

// Deliver implements journal.Store.
func (s *Store) Deliver(ctx context.Context, d journal.Delivery) error {
	return s.do(ctx, "keep the delivery "+d.Key+" of", d.Run, func(disk *Disk) error {
		if _, err := disk.find(d.Run); err != nil {
			return err
		}
		if err := disk.room(); err != nil {
			return err
		}
		d.At, d.Next = d.At.UTC().Round(0), d.Next.UTC().Round(0)
		if i := slices.IndexFunc(disk.told, func(o journal.Delivery) bool { return o.Run == d.Run && o.Key == d.Key }); i >= 0 {
			disk.told[i] = d
		} else {
			disk.told = append(disk.told, d)
		}
		return nil
	})
}

// Deliveries implements journal.Reader.
func (s *Store) Deliveries(ctx context.Context, id string) ([]journal.Delivery, error) {
	var found []journal.Delivery
	err := s.do(ctx, "read the deliveries of", id, func(d *Disk) error {
		if _, err := d.find(id); err != nil {
			return err
		}
		for _, t := range d.told {
			if t.Run == id {
				found = append(found, t)
			}
		}
		return nil
	})
	return found, err
}
