package nats

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// settleWithin is how long all replicas may take to be current.
const settleWithin = 5 * time.Second

// settle takes the relay's prefix, the transform and the sourcing from the
// taker. The prefix must be quiet and every replica current: each applies the
// transform for itself, and one that applies it later than it is gone stores
// something else than the others.
func (x *crossing) settle(ctx context.Context) error {
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	if !prefixed(taker.Config) && !prefixed(giver.Config) && len(minus(rawSubjects(taker.Config), taker.subjects())) == 0 && !x.sources(taker.Config) {
		return x.tidyGiver(ctx, giver)
	}
	if err := x.current(ctx, x.taker); err != nil {
		if _, err := x.edit(ctx, x.taker, taker.Config, func(cfg config) {
			x.dropSource(cfg, x.giver)
			x.restoreWindow(cfg)
		}); err != nil {
			return fmt.Errorf("end the sourcing of %s: %w", x.giver, err)
		}
		return &unsettled{fmt.Errorf("%s: stream %s owns %s and serves; its transform can be taken away only when all replicas are current: %w", x.c, x.taker, quoted(x.space), err)}
	}
	if _, taker, err = x.look(ctx); err != nil {
		return err
	}
	if _, err := x.edit(ctx, x.taker, taker.Config, func(cfg config) {
		x.closePrefix(cfg)
		x.dropSource(cfg, x.giver)
		x.restoreWindow(cfg)
		dropClosed(x.taker, cfg)
	}); err != nil {
		return fmt.Errorf("end the sourcing of %s and take the transform away: %w", x.giver, err)
	}
	return x.tidyGiver(ctx, giver)
}

// unsettled: the taker serves, and what the relay needed is still there.
type unsettled struct{ err error }

func (u *unsettled) Error() string { return u.err.Error() }
func (u *unsettled) Unwrap() error { return u.err }

func (x *crossing) sources(cfg config) bool {
	_, ok := x.sourcing(cfg, x.giver)
	return ok
}

// tidyGiver takes the subject for probes away, if others are left.
func (x *crossing) tidyGiver(ctx context.Context, giver *streamInfo) error {
	if _, err := x.edit(ctx, x.giver, giver.Config, func(cfg config) { dropClosed(x.giver, cfg) }); err != nil {
		return fmt.Errorf("take the subject for probes from stream %s: %w", x.giver, err)
	}
	return nil
}

func dropClosed(stream string, cfg config) {
	if len(subjectsOf(cfg)) > 0 {
		dropSubjects(stream, cfg, closedSubject(stream))
	}
}

// current waits until each replica of a stream was seen to have everything.
// Under load they are not all so at once.
func (x *crossing) current(ctx context.Context, stream string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleWithin, fmt.Errorf("not within %s", settleWithin))
	defer cancel()
	seen := map[string]bool{}
	var wrong []string
	err := await(ctx, func() (bool, error) {
		info, err := x.c.stream(ctx, stream)
		if err != nil || info == nil || info.Cluster == nil {
			return err == nil && info != nil, err
		}
		wrong = nil
		if info.Cluster.Leader == "" {
			wrong = append(wrong, "it has no leader")
		}
		for _, r := range info.Cluster.Replicas {
			switch {
			case r.Offline || r.Active > silent:
				delete(seen, r.Name)
				wrong = append(wrong, "replica "+r.Name+" is offline")
			case r.Current && r.Lag == 0:
				seen[r.Name] = true
			case !seen[r.Name]:
				wrong = append(wrong, "replica "+r.Name+" is behind")
			}
		}
		return len(wrong) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("stream %s: %s: %w", stream, strings.Join(wrong, ", "), err)
	}
	return nil
}
