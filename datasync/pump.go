package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
)

// A cursor is how far a pass has come: what it counts was written before.
type cursor struct {
	Position driver.Position `json:"position,omitempty"`
	counts
	Aside int64 `json:"aside,omitempty"` // bytes that the file had when the pass began
	Done  bool  `json:"done,omitempty"`
}

// counts are of records.
type counts struct {
	Read      int64 `json:"read"`
	Changed   int64 `json:"changed"`   // new at the sink, or newer than what was there
	Unchanged int64 `json:"unchanged"` // there already, as new or newer
	Bad       int64 `json:"bad"`
	Deleted   int64 `json:"deleted,omitempty"`
}

// saveEvery is how often the cursor is saved: each save is a record of the
// journal, and on its disk.
const saveEvery = time.Second

// pump moves one pass of records.
type pump struct {
	p       params
	mapping *mapping.Mapping
	source  driver.RecordSource
	sink    driver.RecordSink
	aside   *aside
	effect  driver.Effect
	cursor  cursor
	of      int64
	saved   time.Time
}

// load is a page, mapped.
type load struct {
	page    driver.Page
	records []driver.Record
	bad     []driver.BadRecord
}

// run moves all records after the cursor: while one page is written, the next
// one is read.
func (p *pump) run(ctx context.Context) error {
	loads := make(chan load, 1)
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		defer close(loads)
		return p.source.Read(ctx, p.cursor.Position, p.p.BatchSize, func(page driver.Page) error {
			select {
			case loads <- p.load(page):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	both.Go(func() error {
		for l := range loads {
			if err := p.write(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
	return both.Wait()
}

// load maps a page. Of records with one key the newest counts.
func (p *pump) load(page driver.Page) load {
	l := load{page: page, bad: page.Bad}
	at := map[string]int{}
	for _, in := range page.Records {
		out, bad := p.mapping.Apply(in)
		if bad == nil {
			bad = p.lacks(in, out)
		}
		if bad != nil {
			l.bad = append(l.bad, *bad)
			continue
		}
		key := keyOf(out, p.p.Key)
		if i, twice := at[key]; twice {
			if p.p.Version == "" || newer(out[p.p.Version], l.records[i][p.p.Version]) {
				l.records[i] = out
			}
			continue
		}
		at[key] = len(l.records)
		l.records = append(l.records, out)
	}
	return l
}

// lacks finds a record without a key or a version.
func (p *pump) lacks(in, out driver.Record) *driver.BadRecord {
	for _, name := range p.p.Key {
		if v := out[name]; v == nil || v == "" {
			return &driver.BadRecord{Record: in, Field: name, Reason: "has no value, and is in the key"}
		}
	}
	if v := p.p.Version; v != "" && (out[v] == nil || out[v] == "") {
		return &driver.BadRecord{Record: in, Field: v, Reason: "has no value, and is the version"}
	}
	return nil
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

// write writes what one page has become, and then lets the cursor go on.
func (p *pump) write(ctx context.Context, l load) error {
	wrote, err := p.sink.Write(ctx, p.effect.Mine, driver.Batch{Records: l.records, Of: p.of})
	if err != nil {
		return err
	}
	bad := l.bad
	for _, i := range slices.Sorted(keys(wrote.Refused)) {
		bad = append(bad, wrote.Refused[i])
	}
	if err := p.put(bad); err != nil {
		return err
	}
	c := &p.cursor
	c.Read += int64(len(l.page.Records) + len(l.page.Bad))
	c.Changed += wrote.Changed
	c.Unchanged += int64(len(l.records)-len(wrote.Refused)) - wrote.Changed
	c.Bad += int64(len(bad))
	driver.Tell(ctx, driver.Progress{Done: float64(c.Read), Of: float64(p.of), What: "records"})
	if l.page.Next == nil { // whoever goes on begins again, and counts again
		return nil
	}
	c.Position = l.page.Next
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	return p.save(ctx)
}

func (p *pump) save(ctx context.Context) error {
	if err := p.effect.Save(ctx, p.cursor); err != nil {
		return err
	}
	p.saved = time.Now()
	return nil
}

// errBad: there are more bad records than are borne.
var errBad = errors.New("more records than the step bears cannot be taken over")

// put keeps bad records aside, or fails if there are more than are borne.
func (p *pump) put(bad []driver.BadRecord) error {
	if len(bad) == 0 {
		return nil
	}
	where := "say with aside where they are to be kept, and with bears how many are borne"
	if p.aside != nil {
		if err := p.aside.keep(p.p.From.String(), p.p.To.String(), bad); err != nil {
			return err
		}
		where = "they are in " + p.p.Aside
	}
	if n := p.cursor.Bad + int64(len(bad)); n > int64(p.p.Bears) {
		b := bad[0]
		return fmt.Errorf("%w: %d so far, %d are borne; the last ones begin with %s: %s %s; %s", errBad, n, p.p.Bears, p.name(b), b.Field, b.Reason, where)
	}
	return nil
}

// name is what tells a bad record from others, for people.
func (p *pump) name(b driver.BadRecord) string {
	if r, ok := b.Record.(driver.Record); ok {
		for _, field := range p.p.Key {
			if v, ok := r[field]; ok && v != nil && v != "" {
				return fmt.Sprintf("%s %v", field, v)
			}
		}
	}
	return "one without a key"
}
