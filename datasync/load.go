package datasync

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
)

// load is a page and what becomes of it.
type load struct {
	page     driver.Page
	items    []item
	bad      []driver.BadRecord
	returned int64
}

// An item is a record to write, or to delete.
type item struct {
	record driver.Record
	gone   bool
}

// parts are the records to write, and the keys of those to delete.
func (l load) parts() (records, gone []driver.Record) {
	for _, i := range l.items {
		if i.gone {
			gone = append(gone, i.record)
		} else {
			records = append(records, i.record)
		}
	}
	return records, gone
}

// load maps a page. Of records with one key the newest counts.
func (p *pump) load(page driver.Page) load {
	l := load{page: page, bad: slices.Clone(page.Bad), items: make([]item, 0, len(page.Records))}
	at := make(map[string]int, len(page.Records))
	version := p.p.Version
	for _, in := range page.Records {
		one, bad := p.item(in)
		if bad != nil {
			l.bad = append(l.bad, *bad)
			continue
		}
		if p.keys != nil && !one.gone {
			p.keys(one.record)
		}
		if p.came(in, one.record) {
			l.returned++
			continue
		}
		key := keyOf(one.record, p.p.Key)
		if i, twice := at[key]; twice {
			if version == "" || driver.Newer(one.record[version], l.items[i].record[version]) {
				l.items[i] = one
			}
			continue
		}
		at[key] = len(l.items)
		l.items = append(l.items, one)
	}
	return l
}

// item maps one record.
func (p *pump) item(in driver.Record) (item, *driver.BadRecord) {
	out, bad := p.mapping.Apply(in)
	if bad == nil {
		bad = p.lacks(in, out)
	}
	if bad != nil {
		return item{}, bad
	}
	if p.deleted != nil {
		verdict, err := p.deleted.Eval(map[string]any{"record": present(in)})
		if err != nil {
			return item{}, &driver.BadRecord{Record: in, Reason: "whether it is deleted cannot be told: " + err.Error()}
		}
		if verdict == evidence.Pass {
			return item{p.keyed(out), true}, nil
		}
	}
	if p.p.Mark != "" {
		out[p.p.Mark] = mark(p.p.From.String(), out[p.p.Version])
	}
	return item{out, false}, nil
}

// keyed is what of a record tells it apart, with its version.
func (f *flow) keyed(r driver.Record) driver.Record {
	out := driver.Record{}
	for _, name := range append(slices.Clone(f.p.Key), f.p.Version) {
		if name != "" {
			out[name] = r[name]
		}
	}
	return out
}

// lacks finds a record without a key or a version.
func (f *flow) lacks(in, out driver.Record) *driver.BadRecord {
	for _, name := range f.p.Key {
		if v := out[name]; v == nil || v == "" {
			return &driver.BadRecord{Record: in, Field: name, Reason: "has no value, and is in the key"}
		}
	}
	if v := f.p.Version; v != "" && (out[v] == nil || out[v] == "") {
		return &driver.BadRecord{Record: in, Field: v, Reason: "has no value, and is the version"}
	}
	return nil
}

// present is a record without what is null: to an expression that is not there.
func present(in driver.Record) driver.Record {
	out := make(driver.Record, len(in))
	for name, v := range in {
		if v != nil {
			out[name] = v
		}
	}
	return out
}

func keyOf(r driver.Record, key []string) string {
	if len(key) == 1 {
		if text, ok := r[key[0]].(string); ok {
			return text
		}
	}
	values := make([]any, len(key))
	for i, name := range key {
		values[i] = r[name]
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return fmt.Sprint(values...)
	}
	return string(raw)
}
