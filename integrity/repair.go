package integrity

import (
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
	form   *driver.Form // nil: the sides are read as they come
	key    []string
	fields []string // that are compared; nil: all but those that are ignored
	sink   driver.RecordSink
}

// one is a record that is there now, and the digest of what counts of it, which is
// the same for equal records of any side. Its zero value is none.
type one struct {
	record driver.Record
	digest string
}

// repairer works with a form that both sides have; nil where they have none.
func (a *reconcile) repairer(ctx context.Context, form *driver.Form) (_ *repairer, err error) {
	r := &repairer{a: a, form: form, key: a.p.Key, fields: a.p.Fields}
	if form != nil {
		r.key, r.fields = formNames(form.Key), formNames(form.Fields)
	}
	shape := driver.Shape{Key: r.key, Partial: true}
	if r.fields != nil {
		shape.Fields = slices.Concat(r.key, r.fields)
	}
	r.sink, err = a.to.Sink(ctx, a.p.Write, shape)
	return r, err
}

// form is what both sides have in common; nil where they are read as they come.
func (a *reconcile) form(ctx context.Context) (*driver.Form, error) {
	v, ok, err := views(ctx, a.of)
	if err != nil || !ok {
		return nil, err
	}
	defer closeAll(v)
	form, err := a.p.form(v)
	return &form, err
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

// over is what is written of a record over another one: what of that it has not is
// taken away.
func (r *repairer) over(record, there driver.Record) driver.Record {
	out := r.counts(record)
	for name := range r.counts(there) {
		if _, has := out[name]; !has {
			out[name] = nil
		}
	}
	return out
}

func idOf(key []string) string { return strings.Join(key, "\x00") }

// fetched are records by their keys, and whether there are some that cannot be
// read, which may be of any key.
type fetched struct {
	by     map[string]one
	unread bool
}

// fetch gives the records of a place that have some keys, with all their fields.
func (r *repairer) fetch(ctx context.Context, p place, keys [][]string) (fetched, error) {
	if r.form != nil {
		by, err := r.look(ctx, p, keys)
		return fetched{by: by}, err
	}
	asked := map[string]bool{}
	for _, key := range keys {
		asked[idOf(key)] = true
	}
	out := fetched{by: map[string]one{}}
	err := p.records(ctx, func(record driver.Record, bad *driver.BadRecord) error {
		var key []string
		var err error
		if bad == nil {
			key, err = r.a.p.keyOf(record)
		}
		if bad != nil || err != nil {
			out.unread = true
		} else if asked[idOf(key)] {
			out.by[idOf(key)] = one{record, strconv.FormatUint(r.a.p.digest(record), 16)}
		}
		return nil
	})
	return out, err
}

// look fetches records by a view, each field as the text that its side writes.
func (r *repairer) look(ctx context.Context, p place, keys [][]string) (map[string]one, error) {
	v, err := p.conn.(driver.Viewer).View(ctx, p.at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	plain := driver.Form{Key: r.form.Key}
	for _, f := range v.Fields() {
		plain.Fields = append(plain.Fields, driver.FormField{Name: f.Name})
	}
	whole, err := v.Look(ctx, plain, keys)
	if err != nil {
		return nil, err
	}
	formed, err := v.Look(ctx, *r.form, keys)
	if err != nil {
		return nil, err
	}
	out := map[string]one{}
	for _, s := range whole {
		record := driver.Record{}
		for i, f := range plain.Fields {
			record[f.Name] = written(v, f.Name, s.Values[i])
		}
		out[idOf(s.Key)] = one{record: record}
	}
	for _, s := range formed {
		text, err := json.Marshal(s.Values)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		out[idOf(s.Key)] = one{out[idOf(s.Key)].record, hex.EncodeToString(sum[:16])}
	}
	return out, nil
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

// repair makes the records of some keys what the truth has, a portion at a time:
// what was there is on the disk first.
func (r *repairer) repair(ctx context.Context, e driver.Effect, wrong [][]string) error {
	for keys := range slices.Chunk(wrong, portion) {
		now, err := both(ctx, r.a.of, func(ctx context.Context, p place) (fetched, error) { return r.fetch(ctx, p, keys) })
		if err != nil {
			return err
		}
		var before []was
		var write, remove []driver.Record
		for _, key := range keys {
			truth, right := now.left.by[idOf(key)], now.right.by[idOf(key)]
			switch {
			case truth.digest == right.digest: // put right meanwhile
				continue
			case truth.record == nil && (r.a.p.Extra != "delete" || now.left.unread): // gone meanwhile, or one that cannot be read
				continue
			case truth.record == nil:
				remove = append(remove, right.record)
			default:
				write = append(write, r.over(truth.record, right.record))
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
