package memory

import (
	"context"
	"time"

	"github.com/segue-run/segue/journal"
)

// Acquire implements journal.Store.
func (s *Store) Acquire(ctx context.Context, id, holder string, now time.Time, ttl time.Duration) (journal.Lease, error) {
	var l journal.Lease
	err := s.do(ctx, "take the lease of", id, func(d *Disk) error {
		r, err := d.find(id)
		if err != nil {
			return err
		}
		if r.final {
			return journal.ErrFinal
		}
		if r.lease.Holder != "" && r.lease.Holder != holder && now.Before(r.lease.Expires) {
			return &journal.HeldError{Holder: r.lease.Holder, Epoch: r.lease.Epoch, Expires: r.lease.Expires}
		}
		l = journal.Lease{Run: id, Holder: holder, Epoch: r.lease.Epoch + 1, Expires: now.Add(ttl).UTC().Round(0)}
		r.lease = l
		return nil
	})
	return l, err
}

// Renew implements journal.Store.
func (s *Store) Renew(ctx context.Context, l journal.Lease, now time.Time, ttl time.Duration) (journal.Lease, error) {
	err := s.do(ctx, "renew the lease of", l.Run, func(d *Disk) error {
		r, err := d.find(l.Run)
		if err != nil {
			return err
		}
		if err := r.lost(l, now); err != nil {
			return err
		}
		r.lease.Expires = now.Add(ttl).UTC().Round(0)
		l = r.lease
		return nil
	})
	if err != nil {
		return journal.Lease{}, err
	}
	return l, nil
}

// Release implements journal.Store. The epoch stays, so that none comes twice.
func (s *Store) Release(ctx context.Context, l journal.Lease) error {
	return s.do(ctx, "release the lease of", l.Run, func(d *Disk) error {
		if r := d.runs[l.Run]; r != nil && r.lease.Epoch == l.Epoch {
			r.lease.Holder, r.lease.Expires = "", time.Time{}
		}
		return nil
	})
}
