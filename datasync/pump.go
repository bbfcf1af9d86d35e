package datasync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver"
)

// saveEvery is how often the cursor is saved: each save is a record of the
// journal, and on its disk.
const saveEvery = time.Second

// pump moves one pass of records.
type pump struct {
	*flow
	source driver.RecordSource
	sink   driver.RecordSink
	aside  *aside
	effect driver.Effect
	pace   pace
	cursor cursor
	read   atomic.Int64 // what the cursor has read, for who tells
	of     int64        // records that the source has; 0 when that is not known
	saved  time.Time
	// refused is the last record that could not be taken over.
	refused driver.BadRecord
	keys    func(driver.Record) // is told of each record that is there; nil: nobody is
}

func (p *pump) close() error {
	var errs []error
	if p.source != nil {
		errs = append(errs, p.source.Close())
	}
	if p.sink != nil {
		errs = append(errs, p.sink.Close())
	}
	return errors.Join(append(errs, p.aside.close())...)
}

// run moves all records after the cursor: while one page is written, the next
// is mapped, and the one after it read.
func (p *pump) run(ctx context.Context) error {
	if err := p.pace.hold(ctx, func() { p.tell(ctx) }); err != nil {
		return err
	}
	n, known, err := p.source.Count(ctx)
	if err != nil {
		return err
	}
	if known {
		p.of = n
	}
	b, err := p.bulk(ctx)
	if err != nil {
		return err
	}
	if b != nil {
		return p.stream(ctx, b)
	}
	return p.records(ctx, func() bool { return false })
}

// records moves records after the cursor one by one, a page at a time, until
// enough says so, which is errEnough.
func (p *pump) records(ctx context.Context, enough func() bool) error {
	pages, loads := make(chan driver.Page, 1), make(chan load, 1)
	from := p.cursor.Position
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		defer close(pages)
		return p.source.Read(ctx, from, p.p.BatchSize, func(page driver.Page) error {
			if err := send(ctx, pages, page); err != nil {
				return err
			}
			return p.pace.keep(ctx, page.Took, func() { p.tell(ctx) })
		})
	})
	all.Go(func() error {
		defer close(loads)
		for page := range pages {
			if err := send(ctx, loads, p.load(page)); err != nil {
				return err
			}
		}
		return nil
	})
	all.Go(func() error {
		for l := range loads {
			if err := p.write(ctx, l); err != nil {
				return err
			}
			if enough() {
				return errEnough
			}
		}
		return nil
	})
	return all.Wait()
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write writes what one page has become, and then lets the cursor go on.
func (p *pump) write(ctx context.Context, l load) error {
	if err := p.deliver(ctx, l); err != nil {
		return err
	}
	c := &p.cursor
	c.Read += int64(len(l.page.Records) + len(l.page.Bad))
	p.read.Store(c.Read)
	p.tell(ctx)
	if l.page.Next == nil { // whoever goes on begins again, and counts again
		return nil
	}
	c.Position = l.page.Next
	return p.saveNow(ctx)
}

// tell tells how far it is, and whether it holds itself back.
func (p *pump) tell(ctx context.Context) {
	driver.Tell(ctx, driver.Progress{Done: float64(p.read.Load()), Of: float64(p.of), What: "records", Note: p.pace.note()})
}

// deliver writes and deletes, keeps aside what cannot be taken over, and counts.
func (p *pump) deliver(ctx context.Context, l load) error {
	records, gone := l.parts()
	wrote, err := p.sink.Write(ctx, p.effect.Mine, driver.Batch{Records: records, Of: p.of})
	if err != nil {
		return err
	}
	bad := l.bad
	for _, i := range slices.Sorted(maps.Keys(wrote.Refused)) {
		bad = append(bad, wrote.Refused[i])
	}
	if err := p.put(bad); err != nil {
		return err
	}
	deleted, err := p.sink.Delete(ctx, p.effect.Mine, gone)
	if err != nil {
		return err
	}
	p.cursor.add(counts{
		Changed: wrote.Changed, Unchanged: int64(len(records)-len(wrote.Refused)) - wrote.Changed,
		Deleted: deleted, Returned: l.returned, Bad: int64(len(bad)),
	})
	return nil
}

// saveNow saves the cursor unless that was done just now.
func (p *pump) saveNow(ctx context.Context) error {
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	return p.save(ctx)
}

func (p *pump) save(ctx context.Context) error {
	if !p.cursor.begun() {
		p.cursor.Begun = time.Now().UTC()
	}
	p.cursor.paused = p.pace.told()
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
	p.refused = bad[len(bad)-1]
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
