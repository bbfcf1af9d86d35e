package integrity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
)

// mostRead bounds the records that are compared here, of which the keys and
// digests are kept in memory.
const mostRead = 500_000

// An entry is what both sides have under one key: as digests, and where it is
// asked for, whole.
type entry struct {
	key     []string
	sums    pair[uint64]
	counts  pair[int32]
	records pair[[]driver.Record]
}

func (e *entry) equal() bool { return e.sums.left == e.sums.right && e.counts.left == e.counts.right }

// same reports that neither side has changed since another look.
func (e *entry) same(o *entry) bool { return e.sums == o.sums && e.counts == o.counts }

// A pass is both sides, read once.
type pass struct {
	at      time.Time
	records pair[int64]
	entries map[string]*entry
	bad     int64
	why     string
}

// pass reads both sides at a time. only confines it to some keys, whose records
// it keeps whole; nil: all, without their records.
func (c comparison) pass(ctx context.Context, only map[string]*entry) (*pass, error) {
	out := &pass{at: time.Now(), entries: map[string]*entry{}}
	var mu sync.Mutex
	put := func(left bool, r driver.Record, bad *driver.BadRecord) error {
		mu.Lock()
		defer mu.Unlock()
		var key []string
		if bad == nil {
			var err error
			if key, err = c.choice.keyOf(r); err != nil {
				bad = &driver.BadRecord{Record: r, Reason: err.Error()}
			}
		}
		if bad != nil {
			if out.bad++; out.bad == 1 {
				out.why = strings.TrimSpace(bad.Field + " " + bad.Reason)
			}
			return nil
		}
		return out.put(c.choice, left, key, r, only)
	}
	_, err := both(ctx, pair[bool]{true, false}, func(ctx context.Context, left bool) (struct{}, error) {
		p := c.of.right
		if left {
			p = c.of.left
		}
		return struct{}{}, p.records(ctx, func(r driver.Record, bad *driver.BadRecord) error { return put(left, r, bad) })
	})
	return out, err
}

func (p *pass) put(c choice, left bool, key []string, r driver.Record, only map[string]*entry) error {
	id := strings.Join(key, "\x00")
	if _, asked := only[id]; only != nil && !asked {
		return nil
	}
	e := p.entries[id]
	if e == nil {
		if len(p.entries) == mostRead {
			return refuse(fmt.Sprintf("there are more than %d records, and these two systems cannot sum them up themselves", mostRead), "compare a part of them, or count them with data.count")
		}
		e = &entry{key: key}
		p.entries[id] = e
	}
	records, sums, counts, kept := &p.records.left, &e.sums.left, &e.counts.left, &e.records.left
	if !left {
		records, sums, counts, kept = &p.records.right, &e.sums.right, &e.counts.right, &e.records.right
	}
	*records++
	*counts++
	*sums += c.digest(r)
	if only != nil {
		*kept = append(*kept, r)
	}
	return nil
}

// read compares places that are read as they come.
func (c comparison) read(ctx context.Context, each func(look)) (*Report, error) {
	if len(c.choice.Key) == 0 {
		return nil, refuse("nothing says by which fields records are told apart", "name them in key")
	}
	first, err := c.pass(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := &Report{AsOf: first.at, Left: first.records.left, Right: first.records.right, Bad: first.bad, Bears: int64(c.bears), Why: first.why}
	pending := map[string]*entry{}
	for id, e := range first.entries {
		if e.equal() {
			continue
		}
		if len(pending) == c.limit {
			out.More = true
			break
		}
		pending[id] = e
	}
	first = nil //nolint:ineffassign,wastedassign // it is large
	return out, c.settleRead(ctx, out, pending, each)
}

// settleRead looks again at what differs, until it is equal or holds still.
func (c comparison) settleRead(ctx context.Context, out *Report, pending map[string]*entry, each func(look)) error {
	for end := time.Now().Add(c.patience); len(pending) > 0; {
		select {
		case <-ctx.Done():
			out.Changing = int64(len(pending))
			return nil
		case <-time.After(c.settle):
		}
		again, err := c.pass(ctx, pending)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(pending)) {
			last, now := pending[id], again.entries[id]
			switch {
			case now == nil || now.equal():
				out.Settled++
				delete(pending, id)
			case c.settle == 0 || now.same(last):
				l := c.choice.look(now)
				out.add(l, c.examples)
				if each != nil {
					each(l)
				}
				delete(pending, id)
			default:
				pending[id] = now
			}
		}
		if time.Now().After(end) {
			break
		}
	}
	out.Changing = int64(len(pending))
	return nil
}

// look is an entry as it is reported.
func (c choice) look(e *entry) look {
	l := look{key: e.key}
	for _, r := range slices.Concat(e.records.left, e.records.right) {
		l.fields = append(l.fields, c.fieldsOf(r)...)
	}
	slices.Sort(l.fields)
	l.fields = slices.Compact(l.fields)
	texts := func(records []driver.Record) [][]*string {
		out := make([][]*string, len(records))
		for i, r := range records {
			for _, name := range l.fields {
				out[i] = append(out[i], shown(normal(r[name])))
			}
		}
		slices.SortFunc(out, func(a, b []*string) int { return slices.CompareFunc(a, b, orderTexts) })
		return out
	}
	l.sides = pair[[][]*string]{texts(e.records.left), texts(e.records.right)}
	return l
}
