package integrity

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/segue-run/segue/driver"
)

// putBack undoes repairs, and returns how many records it must leave, as somebody
// has changed them since. It does not ask the side that is the truth.
func (r *repairer) putBack(ctx context.Context, e driver.Effect, file string) (left int, err error) {
	kept, err := keptIn(file)
	if err != nil {
		return 0, err
	}
	// A key may have been kept twice, by a process that died before it wrote: both
	// say the same of what was there.
	slices.Reverse(kept)
	seen := map[string]bool{}
	kept = slices.DeleteFunc(kept, func(w was) bool {
		again := seen[idOf(w.Key)]
		seen[idOf(w.Key)] = true
		return again
	})
	for part := range slices.Chunk(kept, portion) {
		var keys [][]string
		for _, w := range part {
			keys = append(keys, w.Key)
		}
		now, err := r.fetch(ctx, r.a.of.right, keys)
		if err != nil {
			return left, err
		}
		var write, remove, restore []driver.Record
		for _, w := range part {
			switch right := now.by[idOf(w.Key)]; {
			case same(r.counts(right.record), r.counts(w.Record)): // never written, or put back already
			case right.digest != w.Wrote:
				left++
			case w.Record == nil:
				remove = append(remove, right.record)
			case right.record == nil:
				restore = append(restore, w.Record)
			default:
				write = append(write, r.over(w.Record, right.record))
			}
		}
		if err := r.put(ctx, e.Mine, write, remove); err != nil {
			return left, err
		}
		if err := r.restore(ctx, e.Mine, restore); err != nil {
			return left, err
		}
	}
	return left, nil
}

// restore writes records whole that were taken away, with the fields too that
// nobody compares.
func (r *repairer) restore(ctx context.Context, mine func() error, records []driver.Record) error {
	if len(records) == 0 {
		return nil
	}
	sink, err := r.a.to.Sink(ctx, r.a.p.Write, driver.Shape{Key: r.key})
	if err != nil {
		return err
	}
	whole := *r
	whole.sink = sink
	defer whole.close()
	return whole.put(ctx, mine, records, nil)
}

// same reports that a record is what was kept of it: as it would be kept now.
func same(now, kept driver.Record) bool {
	a, err := json.Marshal(writable(now))
	if err != nil {
		return false
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return false
	}
	left, right := plain(a), plain(b)
	return left != nil && canonical(left) == canonical(right) || string(a) == string(b)
}

// plain is JSON as plain data, with every number as it is written.
func plain(raw []byte) any {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if dec.Decode(&out) != nil {
		return nil
	}
	return out
}
