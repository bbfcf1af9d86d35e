package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/journal"
)

// Create implements journal.Store.
func (s *Store) Create(ctx context.Context, id, name string, at time.Time, first []journal.Record) error {
	return s.do(ctx, "create", id, func(d *Disk) error {
		if d.runs[id] != nil {
			return journal.ErrExists
		}
		if err := d.room(); err != nil {
			return err
		}
		if d.runs == nil {
			d.runs = map[string]*run{}
		}
		r := &run{name: name, created: at.UTC().Round(0)}
		r.add(0, at, first)
		d.runs[id] = r
		d.wake()
		return nil
	})
}

// Append implements journal.Store.
func (s *Store) Append(ctx context.Context, l journal.Lease, now time.Time, lastSeq int64, records []journal.Record) (int64, error) {
	err := s.do(ctx, "append to", l.Run, func(d *Disk) error {
		r, err := d.find(l.Run)
		if err != nil {
			return err
		}
		if err := r.lost(l, now); err != nil {
			return err
		}
		if r.final {
			return journal.ErrFinal
		}
		if has := int64(len(r.records)); has != lastSeq {
			return fmt.Errorf("%w: to %d, not %d", journal.ErrSequence, has, lastSeq)
		}
		if err := d.room(); err != nil {
			return err
		}
		r.add(l.Epoch, now, records)
		d.wake()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return lastSeq + int64(len(records)), nil
}

// Finish implements journal.Store.
func (s *Store) Finish(ctx context.Context, l journal.Lease, now time.Time) error {
	return s.do(ctx, "finish", l.Run, func(d *Disk) error {
		r, err := d.find(l.Run)
		if err != nil {
			return err
		}
		if err := r.lost(l, now); err != nil {
			return err
		}
		r.final = true
		d.unclaim(l.Run)
		return nil
	})
}

// Runs implements journal.Reader.
func (s *Store) Runs(ctx context.Context, now time.Time) ([]journal.Summary, error) {
	var runs []journal.Summary
	err := s.do(ctx, "list every", "", func(d *Disk) error {
		for id, r := range d.runs {
			sum := journal.Summary{Run: id, Name: r.name, Created: r.created, Last: r.created, LastSeq: int64(len(r.records)), Final: r.final}
			if n := len(r.records); n > 0 {
				sum.Last = r.records[n-1].At
			}
			if now.Before(r.lease.Expires) {
				sum.Holder = r.lease.Holder
			}
			runs = append(runs, sum)
		}
		return nil
	})
	slices.SortFunc(runs, func(a, b journal.Summary) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.Run, a.Run))
	})
	return runs, err
}

// Read implements journal.Reader.
func (s *Store) Read(ctx context.Context, id string, after int64, limit int) ([]journal.Record, error) {
	records, _, err := s.read(ctx, id, after, limit)
	return records, err
}

func (s *Store) read(ctx context.Context, id string, after int64, limit int) (records []journal.Record, more <-chan struct{}, err error) {
	err = s.do(ctx, "read", id, func(d *Disk) error {
		r, err := d.find(id)
		if err != nil {
			return err
		}
		more = d.more()
		rest := r.records[min(max(after, 0), int64(len(r.records))):]
		if limit > 0 && len(rest) > limit {
			rest = rest[:limit]
		}
		for _, rec := range rest {
			rec.Data = clone(rec.Data)
			records = append(records, rec)
		}
		return nil
	})
	return records, more, err
}

// Follow implements journal.Reader.
func (s *Store) Follow(ctx context.Context, id string, after int64, fn func(journal.Record) error) error {
	for {
		records, more, err := s.read(ctx, id, after, 0)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		for _, rec := range records {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := fn(rec); err != nil {
				return err
			}
			after = rec.Seq
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closed:
			return fmt.Errorf("follow run %s: %w", id, journal.ErrClosed)
		case <-more:
		}
	}
}
