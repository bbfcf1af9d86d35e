package integrity

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/datasync/mapping"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// sides are the two places that are compared.
type sides struct {
	Left    driver.Via[driver.RecordReader] `param:"left,required" doc:"The connection to one side."`
	LeftAt  driver.Place                    `param:"left-at,required" of:"left" doc:"Where its records are: a table or query, a path."`
	Right   driver.Via[driver.RecordReader] `param:"right,required" doc:"The connection to the other side; it may be the same one."`
	RightAt driver.Place                    `param:"right-at,required" of:"right" doc:"Where its records are."`
	Copy    []string                        `param:"copy" doc:"Fields of the left side's records that are taken as they are, as in sync.once."`
	Map     map[string]any                  `param:"map" doc:"What is made of the left side's records before they are compared with the right side's, as in sync.once."`
}

// mapping is what is made of the left side's records; nil for nothing.
func (s sides) mapping() (*mapping.Mapping, error) {
	if len(s.Map) == 0 && len(s.Copy) == 0 {
		return nil, nil //nolint:nilnil // most need none
	}
	m, err := mapping.Compile(s.Copy, s.Map)
	if err != nil {
		return nil, &runbook.FieldError{Field: "map", Problem: err.Error(), Remedy: "see what sync.once can map"}
	}
	return m, nil
}

func (s sides) String() string { return fmt.Sprintf("%s and %s", s.Left, s.Right) }

// A pair has something of either side.
type pair[T any] struct{ left, right T }

// both does the same on both sides at a time.
func both[A, B any](ctx context.Context, of pair[A], do func(context.Context, A) (B, error)) (pair[B], error) {
	var out pair[B]
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if out.left, err = do(ctx, of.left); err != nil {
			return fmt.Errorf("left: %w", err)
		}
		return nil
	})
	g.Go(func() (err error) {
		if out.right, err = do(ctx, of.right); err != nil {
			return fmt.Errorf("right: %w", err)
		}
		return nil
	})
	return out, g.Wait()
}

// A place is a connection and where in its system records are.
type place struct {
	conn driver.Conn
	at   driver.Place
	open func(context.Context, driver.Place) (driver.RecordSource, error)
	made *mapping.Mapping // of what is read there; nil: it is taken as it is
}

func (s sides) open(ctx context.Context) (pair[place], error) {
	made, err := s.mapping()
	if err != nil {
		return pair[place]{}, err
	}
	left, err := s.Left.Open(ctx)
	if err != nil {
		return pair[place]{}, err
	}
	right, err := s.Right.Open(ctx)
	if err != nil {
		return pair[place]{}, err
	}
	return pair[place]{place{left, s.LeftAt, left.Source, made}, place{right, s.RightAt, right.Source, nil}}, nil
}

// views opens a view of either side; ok is false where the two cannot be compared
// by views, and then none is open.
func views(ctx context.Context, of pair[place]) (v pair[driver.View], ok bool, err error) {
	for _, p := range []place{of.left, of.right} {
		if _, ok := p.conn.(driver.Viewer); !ok || p.made != nil {
			return v, false, nil
		}
	}
	v, err = both(ctx, of, func(ctx context.Context, p place) (driver.View, error) {
		return p.conn.(driver.Viewer).View(ctx, p.at)
	})
	if err != nil {
		closeAll(v)
		return v, false, err
	}
	left, _ := v.left.Dialect()
	right, _ := v.right.Dialect()
	if left != right {
		closeAll(v)
		return v, false, nil
	}
	return v, true, nil
}

func closeAll(v pair[driver.View]) {
	for _, view := range []driver.View{v.left, v.right} {
		if view != nil {
			_ = view.Close()
		}
	}
}
