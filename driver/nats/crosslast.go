package nats

import (
	"context"
	"fmt"
)

// last is a stream's last sequence once all that it has taken is stored.
func (x *crossing) last(ctx context.Context, stream string) (uint64, error) {
	info, err := x.c.stream(ctx, stream)
	if err != nil {
		return 0, err
	}
	if info == nil {
		return 0, fmt.Errorf("%s: stream %s is gone", x.c, stream)
	}
	probed := closedSubject(stream)
	if raw := rawSubjects(info.Config); len(raw) > 0 {
		probed = concrete(raw[0])
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("not within %s", callTimeout))
	defer cancel()
	var owner string
	var last uint64
	err = await(ctx, func() (bool, error) { // a leader that has just gone is waited for
		owner, last, err = x.c.fence(ctx, probed)
		return owner != "", err
	})
	if err == nil && owner != stream {
		err = fmt.Errorf("it is stream %s that answers", owner)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: ask stream %s on %s for its last message: %w", x.c, stream, probed, err)
	}
	_, err = x.applied(ctx, stream, last)
	return last, err
}
