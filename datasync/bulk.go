package datasync

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver"
)

// bulk moves records as a stream, a range in a transaction, where both sides can
// and nothing is to be made of single records.
type bulk struct {
	from     driver.BulkSource
	to       driver.BulkSink
	fields   []string // as they are read
	names    []string // as they are written
	portions int
}

// portion is how many records one range has where the runbook does not say.
const portion = 100_000

// bulk is nil where records must be looked at one by one.
func (p *pump) bulk(ctx context.Context) (*bulk, error) {
	from, can := p.source.(driver.BulkSource)
	to, takes := p.sink.(driver.BulkSink)
	if !can || !takes || from.Form() != to.Form() || p.deleted != nil || p.p.Mark != "" || p.keys != nil {
		return nil, nil //nolint:nilnil // there is none
	}
	pairs, plain := p.mapping.Plain()
	if !plain {
		return nil, nil //nolint:nilnil // there is none
	}
	have, err := from.Fields(ctx)
	if err != nil {
		return nil, err
	}
	b := &bulk{from: from, to: to, portions: portion}
	if p.p.BatchSize > 0 {
		b.portions = p.p.BatchSize
	}
	if pairs == nil { // all of them
		b.fields, b.names = have, have
		return b, nil
	}
	for _, pair := range pairs {
		if !slices.Contains(have, pair[0]) {
			return nil, nil //nolint:nilnil // what is not there is told of single records
		}
		b.fields, b.names = append(b.fields, pair[0]), append(b.names, pair[1])
	}
	return b, nil
}

// errEnough ends a read of single records.
var errEnough = errors.New("enough was read")

// stream moves all records after the cursor. A range that is not taken as it is
// goes again one by one, which finds out what is wrong with which record, and
// waits for who is away.
func (p *pump) stream(ctx context.Context, b *bulk) error {
	for {
		n, err := p.portion(ctx, b)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, driver.ErrNotMine) {
				return err
			}
			read := p.cursor.Read
			err := p.records(ctx, func() bool { return p.cursor.Read-read >= int64(b.portions) })
			if !errors.Is(err, errEnough) {
				return err
			}
			continue
		}
		if n < int64(b.portions) {
			return nil
		}
	}
}

// portion moves one range, and returns how many records it had.
func (p *pump) portion(ctx context.Context, b *bulk) (int64, error) {
	r, w := io.Pipe()
	both, within := errgroup.WithContext(ctx)
	var n, read, changed int64
	var next driver.Position
	began, took := time.Now(), time.Duration(0)
	both.Go(func() (err error) {
		out := bufio.NewWriterSize(w, 64<<10) // or each record is a write of its own
		first := firstWrite{to: out, then: func() { took = time.Since(began) }}
		n, next, err = b.from.Dump(within, p.cursor.Position, b.fields, b.portions, &first)
		if err == nil {
			err = out.Flush()
		}
		w.CloseWithError(err) // nil is the end
		return err
	})
	both.Go(func() (err error) {
		read, changed, err = b.to.Load(within, p.effect.Mine, b.names, r)
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		return err
	})
	if err := both.Wait(); err != nil {
		return 0, err
	}
	if read != n {
		return 0, errors.New("not all that was read was written")
	}
	c := &p.cursor
	c.Read, c.Changed, c.Unchanged, c.Position = c.Read+n, c.Changed+changed, c.Unchanged+n-changed, next
	p.read.Store(c.Read)
	p.tell(ctx)
	if err := p.saveNow(ctx); err != nil {
		return n, err
	}
	return n, p.pace.keep(ctx, took, func() { p.tell(ctx) })
}

// firstWrite tells when the source begins to answer: how long all takes depends
// on the sink too.
type firstWrite struct {
	to   io.Writer
	then func()
}

func (f *firstWrite) Write(p []byte) (int, error) {
	if f.then != nil {
		f.then()
		f.then = nil
	}
	return f.to.Write(p)
}
