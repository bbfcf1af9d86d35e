package integrity

import (
	"bytes"
	"context"
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver"
)

const (
	// firstBits: 16,384 buckets, which a server keeps in memory, and of which one
	// of five million records has some 300.
	firstBits = 14
	// deeperBits bounds the buckets of each further pass.
	deeperBits = 17
	// fewEnough is how many records are listed rather than divided again.
	fewEnough = 200_000
)

// A search looks for the keys under which two views differ.
type search struct {
	views pair[driver.View]
	form  driver.Form
	limit int   // of keys
	few   int64 // that are listed; 0: fewEnough
}

// found are the keys under which records differ.
type found struct {
	records pair[int64] // of either side
	keys    [][]string
	more    bool // there are more than the limit
}

func (s search) run(ctx context.Context) (found, error) {
	var out found
	within, err := s.narrow(ctx, &out)
	if err != nil || len(within.Of) == 0 {
		return out, err
	}
	if len(within.Of) > s.limit { // each has one at least
		within.Of = within.Of[:s.limit+1]
	}
	err = s.list(ctx, within, &out)
	return out, err
}

// narrow divides the buckets that differ until there is little in them.
func (s search) narrow(ctx context.Context, out *found) (at driver.Buckets, err error) {
	var within *driver.Buckets
	for deep := firstBits; ; {
		sums, err := both(ctx, s.views, func(ctx context.Context, v driver.View) (map[uint64]driver.Sum, error) {
			return v.Sums(ctx, s.form, deep, within)
		})
		if err != nil {
			return at, err
		}
		at = driver.Buckets{Bits: deep, Of: unlike(sums)}
		if within == nil {
			out.records = pair[int64]{total(sums.left), total(sums.right)}
		}
		var held int64
		for _, b := range at.Of {
			held += max(sums.left[b].Records, sums.right[b].Records)
		}
		step := deeperBits - bits.Len(uint(len(at.Of)))
		if held <= s.enough() || step < 2 || deep+step > 60 {
			return at, nil
		}
		within, deep = &at, deep+step
	}
}

func (s search) enough() int64 {
	if s.few > 0 {
		return s.few
	}
	return fewEnough
}

func total(sums map[uint64]driver.Sum) (n int64) {
	for _, s := range sums {
		n += s.Records
	}
	return n
}

// unlike lists the buckets that are not the same on both sides.
func unlike(sums pair[map[uint64]driver.Sum]) []uint64 {
	var out []uint64
	for b, left := range sums.left {
		if left != sums.right[b] {
			out = append(out, b)
		}
	}
	for b := range sums.right {
		if _, ok := sums.left[b]; !ok {
			out = append(out, b)
		}
	}
	slices.Sort(out)
	return out
}

// errEnough: more keys than the limit were found.
var errEnough = errors.New("there are more differences than are listed")

// list merges what both sides have in buckets, by key.
func (s search) list(ctx context.Context, within driver.Buckets, out *found) error {
	g, ctx := errgroup.WithContext(ctx)
	lists, err := both(ctx, s.views, func(_ context.Context, v driver.View) (*list, error) {
		l := &list{ctx: ctx, next: make(chan driver.Digest, 256)}
		g.Go(func() error {
			err := v.Digests(ctx, s.form, within, func(d driver.Digest) error {
				select {
				case l.next <- d:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
			if err == nil { // else it only looks like an end
				close(l.next)
			}
			return err
		})
		return l, nil
	})
	if err != nil {
		return err
	}
	g.Go(func() error {
		return merge(ctx, lists, func(key []string) error {
			if len(out.keys) == s.limit {
				out.more = true
				return errEnough
			}
			out.keys = append(out.keys, key)
			return nil
		})
	})
	if err := g.Wait(); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// A list is one side's digests, in order, those of a key together.
type list struct {
	ctx  context.Context //nolint:containedctx // of the one search that reads it
	next chan driver.Digest
	head *driver.Digest
}

func (l *list) read() (d driver.Digest, ok bool) {
	select {
	case d, ok = <-l.next:
	case <-l.ctx.Done():
	}
	return d, ok
}

// A sum is the digests of one key.
type sum struct {
	key     []string
	order   []byte
	records int
	of      int64
}

// take is the next key; nil at the end.
func (l *list) take() *sum {
	if l.head == nil {
		d, ok := l.read()
		if !ok {
			return nil
		}
		l.head = &d
	}
	out := &sum{l.head.Key, l.head.Order, 1, l.head.Of}
	for {
		d, ok := l.read()
		if !ok {
			l.head = nil
			return out
		}
		if !bytes.Equal(d.Order, out.order) {
			l.head = &d
			return out
		}
		out.records, out.of = out.records+1, out.of+d.Of
	}
}

// merge tells the keys that do not have the same records on both sides.
func merge(ctx context.Context, of pair[*list], tell func(key []string) error) error {
	left, right := of.left.take(), of.right.take()
	for left != nil || right != nil {
		if ctx.Err() != nil { // what is missing may only not have come
			return context.Cause(ctx)
		}
		var err error
		switch order := compare(left, right); {
		case order < 0:
			err, left = tell(left.key), of.left.take()
		case order > 0:
			err, right = tell(right.key), of.right.take()
		default:
			if left.records != right.records || left.of != right.of {
				err = tell(left.key)
			}
			left, right = of.left.take(), of.right.take()
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func compare(a, b *sum) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return bytes.Compare(a.order, b.order)
}
