package integrity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/segue-run/segue/driver"
)

// A repairer writes records to the side that is wrong.
type repairer struct {
	a      *reconcile
	key    []string
	fields []string // that are compared; nil: all but those that are ignored
	sink   driver.RecordSink
	// whole gives the records under some keys, as they are written, and the
	// digest of what counts of them, which is the same for equal ones of any side.
	whole func(ctx context.Context, keys [][]string) (pair[map[string]one], error)
}

// one is a record that is there now.
type one struct {
	record driver.Record
	digest string
}

func (a *reconcile) repairer(ctx context.Context) (*repairer, error) {
	r := &repairer{a: a, key: a.p.Key, fields: a.p.Fields}
	v, ok, err := views(ctx, a.of)
	if err != nil {
		return nil, err
	}
	r.whole = r.read
	if ok {
		defer closeAll(v)
		form, err := a.p.form(v)
		if err != nil {
			return nil, err
		}
		r.key, r.fields = formNames(form.Key), formNames(form.Fields)
		r.whole = func(ctx context.Context, keys [][]string) (pair[map[string]one], error) {
			return r.look(ctx, form, keys)
		}
	}
	shape := driver.Shape{Key: r.key}
	if r.fields != nil {
		shape.Fields = slices.Concat(r.key, r.fields)
	}
	r.sink, err = a.to.Sink(ctx, a.p.Write, shape)
	return r, err
}

func formNames(fields []driver.FormField) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name)
	}
	return out
}

func (r *repairer) close() { _ = r.sink.Close() }

// counts is what of a record is compared, and therefore written.
func (r *repairer) counts(record driver.Record) driver.Record {
	if record == nil {
		return nil
	}
	out := driver.Record{}
	for name, v := range record {
		if slices.Contains(r.key, name) || slices.Contains(r.fields, name) || r.fields == nil && !slices.Contains(r.a.p.Ignore, name) {
			out[name] = v
		}
	}
	return out
}

func idOf(key []string) string { return strings.Join(key, "\x00") }

// look fetches records by views, with all their fields, each as the text that its
// own side writes.
func (r *repairer) look(ctx context.Context, form driver.Form, keys [][]string) (pair[map[string]one], error) {
	v, _, err := views(ctx, r.a.of)
	if err != nil {
		return pair[map[string]one]{}, err
	}
	defer closeAll(v)
	return both(ctx, v, func(ctx context.Context, v driver.View) (map[string]one, error) {
		plain := driver.Form{Key: form.Key}
		for _, f := range v.Fields() {
			plain.Fields = append(plain.Fields, driver.FormField{Name: f.Name})
		}
		raw, err := v.Look(ctx, plain, keys)
		if err != nil {
			return nil, err
		}
		seen, err := v.Look(ctx, form, keys)
		if err != nil {
			return nil, err
		}
		out := map[string]one{}
		for _, s := range raw {
			record := driver.Record{}
			for i, f := range plain.Fields {
				record[f.Name] = written(v, f.Name, s.Values[i])
			}
			out[idOf(s.Key)] = one{record: record}
		}
		for _, s := range seen {
			text, err := json.Marshal(s.Values)
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(text)
			out[idOf(s.Key)] = one{out[idOf(s.Key)].record, hex.EncodeToString(sum[:16])}
		}
		return out, nil
	})
}

// written is a field's text as a sink takes it.
func written(v driver.View, name string, text *string) any {
	switch f := find(v.Fields(), name); {
	case text == nil:
		return nil
	case f.Kind == driver.Document:
		return json.RawMessage(*text)
	}
	return *text
}

// read fetches records by reading both sides.
func (r *repairer) read(ctx context.Context, keys [][]string) (pair[map[string]one], error) {
	only := map[string]*entry{}
	for _, key := range keys {
		only[idOf(key)] = nil
	}
	out := pair[map[string]one]{map[string]one{}, map[string]one{}}
	p, err := r.a.comparison().pass(ctx, only)
	if err != nil {
		return out, err
	}
	for id, e := range p.entries {
		for _, side := range []struct {
			records []driver.Record
			into    map[string]one
		}{{e.records.left, out.left}, {e.records.right, out.right}} {
			if len(side.records) == 1 {
				side.into[id] = one{side.records[0], strconv.FormatUint(r.a.p.digest(side.records[0]), 16)}
			}
		}
	}
	return out, nil
}

// repair makes the records of some keys what the truth has, a portion at a time:
// what was there is on the disk first.
func (r *repairer) repair(ctx context.Context, e driver.Effect, wrong []look) error {
	for part := range slices.Chunk(wrong, portion) {
		var keys [][]string
		for _, l := range part {
			keys = append(keys, l.key)
		}
		now, err := r.whole(ctx, keys)
		if err != nil {
			return err
		}
		var before []was
		var write, remove []driver.Record
		for _, key := range keys {
			truth, right := now.left[idOf(key)], now.right[idOf(key)]
			switch {
			case truth.digest == right.digest: // put right meanwhile
				continue
			case truth.record == nil && r.a.p.Extra != "delete": // gone meanwhile
				continue
			case truth.record == nil:
				remove = append(remove, right.record)
			default:
				write = append(write, r.counts(truth.record))
			}
			before = append(before, was{key, right.record, truth.digest})
		}
		if len(before) == 0 {
			continue
		}
		if err := e.Mine(); err != nil {
			return err
		}
		if err := keepAll(r.a.keep, before); err != nil {
			return fmt.Errorf("keep what was there: %w", err)
		}
		if err := r.put(ctx, e.Mine, write, remove); err != nil {
			return err
		}
	}
	return nil
}

// put writes records and takes others away.
func (r *repairer) put(ctx context.Context, mine func() error, write, remove []driver.Record) error {
	if len(write) > 0 {
		if err := mine(); err != nil {
			return err
		}
		done, err := r.sink.Write(ctx, mine, driver.Batch{Records: write})
		if err != nil {
			return err
		}
		for _, i := range slices.Sorted(maps.Keys(done.Refused)) {
			bad := done.Refused[i]
			return fmt.Errorf("%s does not take the record with %s %v: %s %s", r.a.p.To, strings.Join(r.key, ", "), write[i][r.key[0]], bad.Field, bad.Reason)
		}
	}
	if len(remove) == 0 {
		return nil
	}
	if err := mine(); err != nil {
		return err
	}
	_, err := r.sink.Delete(ctx, mine, remove)
	return err
}

// putBack undoes repairs, the last first, and returns how many it must leave, as
// somebody has changed the record since.
func (r *repairer) putBack(ctx context.Context, e driver.Effect, file string) (left int, err error) {
	kept, err := keptIn(file)
	if err != nil {
		return 0, err
	}
	slices.Reverse(kept)
	// A key may have been kept twice, by a process that died before it wrote: both
	// say the same of what was there.
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
		now, err := r.whole(ctx, keys)
		if err != nil {
			return left, err
		}
		var write, remove, restore []driver.Record
		for _, w := range part {
			switch right := now.right[idOf(w.Key)]; {
			case same(r.counts(right.record), r.counts(w.Record)): // never written, or put back already
			case right.digest != w.Wrote:
				left++
			case w.Record == nil:
				remove = append(remove, right.record)
			case right.record == nil:
				restore = append(restore, w.Record)
			default:
				write = append(write, r.counts(w.Record))
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
