package integrity

import (
	"context"
	"time"

	"github.com/segue-run/segue/driver"
)

// A comparison of two places.
type comparison struct {
	of               pair[place]
	choice           choice
	limit, examples  int
	bears            int
	settle, patience time.Duration
}

// run compares. each, if there is one, is told of every difference.
func (c comparison) run(ctx context.Context, each func(look)) (*Report, error) {
	v, ok, err := views(ctx, c.of)
	if err != nil {
		return nil, err
	}
	if !ok {
		return c.read(ctx, each)
	}
	defer closeAll(v) // it may be closed before
	form, err := c.choice.form(v)
	if err != nil {
		return nil, err
	}
	out := &Report{AsOf: v.left.At(), Bears: int64(c.bears)}
	if at := v.right.At(); at.Before(out.AsOf) {
		out.AsOf = at
	}
	f, err := search{views: v, form: form, limit: c.limit}.run(ctx)
	if err != nil {
		return nil, err
	}
	out.Left, out.Right, out.More = f.records.left, f.records.right, f.more
	s := settling{form: form, every: c.settle, patience: c.patience, open: func(ctx context.Context) (pair[driver.View], error) {
		v, _, err := views(ctx, c.of)
		return v, err
	}}
	changing, settled, err := s.run(ctx, v, f.keys, func(l look) {
		out.add(l, c.examples)
		if each != nil {
			each(l)
		}
	})
	out.Changing, out.Settled = int64(changing), int64(settled)
	return out, err
}
