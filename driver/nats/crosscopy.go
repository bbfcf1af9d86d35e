package nats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
)

// begin notes what was before the first change.
func (x *crossing) begin(ctx context.Context, l *leg) error {
	if l.Start > 0 {
		return nil
	}
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	if l.Held == nil {
		if l.Held, err = x.counts(ctx, x.taker); err != nil {
			return err
		}
	}
	l.Start, l.Window, l.First = x.start, taker.Config["duplicate_window"], giver.State.FirstSeq
	return nil
}

// copy makes the taker source the giver and waits until it has caught up. It
// also opens the taker's private prefix, in the same change.
func (x *crossing) copy(ctx context.Context, l *leg) error {
	// First, as a new leader begins to copy only after a while.
	if _, err := x.colocate(ctx); err != nil {
		return err
	}
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	x.start, x.window = l.Start, l.Window
	// One way only: whatever an earlier crossing the other way has left goes
	// first.
	// So does what a way back with a node down has left.
	left := prefixed(giver.Config)
	if left {
		if err := x.current(ctx, x.giver); err != nil {
			return fmt.Errorf("%s: nothing was cut: a relay's transform is to be taken from stream %s first: %w", x.c, x.giver, err)
		}
	}
	gone, err := x.edit(ctx, x.giver, giver.Config, func(cfg config) {
		x.dropSource(cfg, x.taker)
		if left {
			x.back().closePrefix(cfg)
		}
	})
	if err != nil {
		return fmt.Errorf("end the sourcing of %s: %w", x.taker, err)
	}
	giver.Config = gone.Config
	if start, ok := x.sourcing(taker.Config, x.giver); ok && start != x.start {
		return fmt.Errorf("%s: stream %s sources %s from message %d, and from %d is needed: somebody changed it", x.c, x.taker, x.giver, start, x.start)
	}
	now, err := x.edit(ctx, x.taker, taker.Config, func(cfg config) {
		x.openPrefix(cfg)
		if _, ok := x.sourcing(cfg, x.giver); !ok {
			x.addSource(cfg, giver.Config)
			if x.fresh {
				cfg["duplicate_window"] = compact(0)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("make stream %s source %s of %s: %w", x.taker, quoted(x.space), x.giver, err)
	}
	if err := x.caughtUp(ctx); err != nil {
		return err
	}
	x.reached("history")
	// From here on repeats are told apart again.
	if _, err := x.edit(ctx, x.taker, now.Config, x.restoreWindow); err != nil {
		return fmt.Errorf("give stream %s its duplicate window back: %w", x.taker, err)
	}
	// The giver has a subject of its own for probes once it has dropped these.
	if _, err := x.edit(ctx, x.giver, giver.Config, func(cfg config) { addSubjects(cfg, closedSubject(x.giver)) }); err != nil {
		return fmt.Errorf("give stream %s a subject for probes: %w", x.giver, err)
	}
	return nil
}

func (x *crossing) restoreWindow(cfg config) {
	if x.fresh && len(x.window) > 0 {
		cfg["duplicate_window"] = x.window
	}
}

func (x *crossing) look(ctx context.Context) (giver, taker *streamInfo, err error) {
	for _, s := range []struct {
		name string
		info **streamInfo
	}{{x.giver, &giver}, {x.taker, &taker}} {
		if *s.info, err = x.c.stream(ctx, s.name); err != nil {
			return nil, nil, err
		}
		if *s.info == nil {
			return nil, nil, fmt.Errorf("%s: stream %s is gone", x.c, s.name)
		}
	}
	return giver, taker, nil
}

// standstill is how long a sourcing may make no progress before it is given up.
const standstill = 20 * time.Second

// caughtUp waits until the taker has copied what the giver had of each pattern
// a moment ago; while it gets on, it is waited for.
func (x *crossing) caughtUp(ctx context.Context) error {
	var last uint64
	since := time.Now()
	looked := since
	var given map[string]uint64
	err := await(ctx, func() (bool, error) {
		before := given
		var err error
		if given, err = x.given(ctx); err != nil {
			return false, err
		}
		if before == nil {
			before = given
		}
		behind, at, err := x.lacks(ctx, before)
		if err != nil || !behind {
			return err == nil, err
		}
		if at != last {
			last, since, looked = at, time.Now(), time.Now()
		}
		if end := slices.Max(slices.Collect(maps.Values(before))); at >= x.start && end >= x.start {
			driver.Tell(ctx, driver.Progress{Done: float64(at - x.start + 1), Of: float64(end - x.start + 1), What: "messages of the old stream"})
		}
		if time.Since(looked) > 3*rarely { // it may have got them, and dropped them
			dropped, err := x.knowsAll(ctx, at+1)
			if err != nil || dropped {
				return dropped, err
			}
			looked = time.Now()
		}
		if time.Since(since) > standstill {
			return false, fmt.Errorf("it has been at message %d for %s", at, standstill)
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%s: wait until stream %s has copied %s of %s: %w", x.c, x.taker, quoted(x.space), x.giver, err)
	}
	return nil
}

// behind reports whether the taker lacks messages that the giver has; at is the
// giver's last message that it has.
func (x *crossing) behind(ctx context.Context) (behind bool, at uint64, err error) {
	given, err := x.given(ctx)
	if err != nil {
		return false, 0, err
	}
	return x.lacks(ctx, given)
}

// given are the giver's last messages, by pattern, that the taker is to copy.
func (x *crossing) given(ctx context.Context) (map[string]uint64, error) {
	out := map[string]uint64{}
	for _, pattern := range x.space {
		m, err := x.c.message(ctx, x.giver, map[string]any{"last_by_subj": pattern})
		if err != nil {
			return nil, err
		}
		if m != nil && m.Seq >= x.start {
			out[pattern] = m.Seq
		}
	}
	return out, nil
}

// lacks is behind, of what was given.
func (x *crossing) lacks(ctx context.Context, given map[string]uint64) (behind bool, at uint64, err error) {
	for pattern, last := range given {
		have, err := x.c.message(ctx, x.taker, map[string]any{"last_by_subj": pattern})
		if err != nil {
			return false, 0, err
		}
		var seq uint64
		if have != nil {
			if from, s := sourceOf(have.header(sourceHeader)); from == x.giver {
				seq = s
			}
		}
		at = max(at, seq)
		behind = behind || seq < last
	}
	return behind, at, nil
}

// live waits until the taker has copied one of the giver's messages, so that it
// is known to be copying now.
func (x *crossing) live(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("not within %s", callTimeout))
	defer cancel()
	if err := x.copied(ctx, seq); err != nil {
		return fmt.Errorf("%s: nothing was cut: wait until stream %s has copied message %d of %s: %w", x.c, x.taker, seq, x.giver, err)
	}
	return nil
}

// counts is how many messages a stream holds of each subject in the space.
func (x *crossing) counts(ctx context.Context, stream string) (map[string]uint64, error) {
	out := map[string]uint64{}
	for _, pattern := range x.space {
		for offset := 0; ; {
			var page struct {
				Total int `json:"total"`
				State struct {
					Subjects map[string]uint64 `json:"subjects"`
				} `json:"state"`
			}
			req := map[string]any{"subjects_filter": pattern, "offset": offset}
			if err := x.c.ask(ctx, "$JS.API.STREAM.INFO."+stream, req, &page); err != nil {
				return nil, fmt.Errorf("count the messages of stream %s: %w", stream, err)
			}
			for subject, n := range page.State.Subjects {
				out[subject] += n
			}
			if offset += len(page.State.Subjects); len(page.State.Subjects) == 0 || offset >= page.Total {
				break
			}
		}
	}
	return out, nil
}
