package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver/nats/relay"
)

// compareSince compares one by one, for a taker that has been a standby: it
// serves as it did before, so that its limits let go of messages, and it drops
// copies whose Nats-Msg-Id it knows. known is how many it has dropped so. Old is
// nil when there are too many.
func (x *crossing) compareSince(ctx context.Context, l *leg, until uint64) (old, copies, taken map[string]uint64, known int, err error) {
	last, err := x.last(ctx, x.taker)
	if err != nil {
		return nil, nil, nil, 0, err
	}
	first, err := x.firstCopy(ctx, l.Since)
	if err != nil {
		return nil, nil, nil, 0, err
	}
	start, since := max(l.Start, first), l.Since
	few := max(l.End, start)-start <= countable && max(last, since)-since <= countable
	if !few {
		since = l.Before + 1
	}
	have, err := tail(ctx, x.c.nc, x.taker, x.space, min(since, l.Before+1), last)
	if err != nil {
		return nil, nil, nil, 0, fmt.Errorf("%s: %w", x.c, err)
	}
	copied := map[uint64]bool{} // by the giver's sequences
	var own, all []relay.Stored
	for _, m := range have {
		switch {
		case m.Source == x.giver:
			copied[m.SourceSeq] = true
			all = append(all, m)
		case m.Seq > l.Before:
			own = append(own, m)
		}
	}
	taken = tally(own, until)
	if !few {
		return nil, nil, taken, 0, nil
	}
	given, err := tail(ctx, x.c.nc, x.giver, x.space, start, l.End)
	if err != nil {
		return nil, nil, nil, 0, fmt.Errorf("%s: %w", x.c, err)
	}
	old = tally(given, 0)
	for _, m := range given {
		if copied[m.Seq] {
			continue
		}
		knows, err := x.knows(ctx, m)
		if err != nil {
			return nil, nil, nil, 0, err
		}
		if knows {
			old[m.Subject]--
			known++
		}
	}
	return old, tally(all, 0), taken, known, nil
}

// firstCopy is the giver's message whose copy is the first that the taker still
// has, if its limits have let go of earlier ones; else 0. With all of them gone
// it is beyond the giver's last.
func (x *crossing) firstCopy(ctx context.Context, since uint64) (uint64, error) {
	taker, err := x.c.stream(ctx, x.taker)
	if err != nil || taker == nil || taker.State.FirstSeq <= since {
		return 0, err
	}
	first := uint64(math.MaxUint64)
	for _, pattern := range x.space {
		m, err := x.c.message(ctx, x.taker, map[string]any{"seq": taker.State.FirstSeq, "next_by_subj": pattern})
		if err != nil {
			return 0, err
		}
		if m == nil {
			continue
		}
		if from, seq := sourceOf(m.header(sourceHeader)); from == x.giver {
			first = min(first, seq)
		}
	}
	return first, nil
}

// knowsAll reports whether the taker has dropped everything that the giver has
// from a message on, as it knew it. There are few such messages.
func (x *crossing) knowsAll(ctx context.Context, from uint64) (bool, error) {
	giver, err := x.c.stream(ctx, x.giver)
	if err != nil || giver == nil {
		return false, err
	}
	have, all, err := x.few(ctx, from, giver.State.LastSeq)
	if err != nil || !all {
		return false, err
	}
	for _, m := range have {
		if known, err := x.knows(ctx, m); err != nil || !known {
			return false, err
		}
	}
	return true, nil
}

// few reads a few of the giver's messages, and says whether those are all.
func (x *crossing) few(ctx context.Context, from, last uint64) (have []relay.Stored, all bool, err error) {
	from = max(from, x.start)
	if have, err = tail(ctx, x.c.nc, x.giver, x.space, from, min(last, from+flight)); err != nil {
		return nil, false, fmt.Errorf("%s: %w", x.c, err)
	}
	return have, last <= from+flight, nil
}

// idleFor is how long a taker that copies may have nothing to copy before what
// it lacks is taken for dropped.
const idleFor = 100 * time.Millisecond

// copied waits, while publishers wait too, until the taker has copied the
// giver's messages up to one. What it lacks although it is up with its giver it
// may have dropped, as it knew the Nats-Msg-Id. To look for that would take too
// long here: should the copy come after all, reconciling finds it.
func (x *crossing) copied(ctx context.Context, last uint64) error {
	var idle time.Time
	return x.soon(ctx, func() (bool, error) {
		behind, at, err := x.behind(ctx)
		if err != nil || !behind || at >= last {
			return err == nil, err
		}
		taker, err := x.c.stream(ctx, x.taker)
		if err != nil || taker == nil {
			return false, err
		}
		i := slices.IndexFunc(taker.Sources, func(s sourceState) bool { return s.Name == x.giver })
		switch {
		case i < 0 || taker.Sources[i].Lag > 0 || taker.Sources[i].Active < 0:
			idle = time.Time{}
		case idle.IsZero():
			idle = time.Now()
		case time.Since(idle) > idleFor:
			have, all, err := x.few(ctx, at+1, last)
			without := slices.ContainsFunc(have, func(m relay.Stored) bool { return m.Header.Get(nats.MsgIdHdr) == "" })
			idle = time.Time{}
			return all && !without, err
		}
		return false, nil
	})
}

// knows reports whether the taker has a giver's message under its Nats-Msg-Id
// already: it was published to both, again after the giver had got the subjects.
func (x *crossing) knows(ctx context.Context, m relay.Stored) (bool, error) {
	id := m.Header.Get(nats.MsgIdHdr)
	if id == "" {
		return false, nil
	}
	there, err := x.c.message(ctx, x.giver, map[string]any{"seq": m.Seq})
	if err != nil || there == nil {
		return false, err
	}
	taker, err := x.c.stream(ctx, x.taker)
	if err != nil || taker == nil {
		return false, err
	}
	var window time.Duration
	_ = json.Unmarshal(taker.Config["duplicate_window"], &window)
	from, err := x.firstSince(ctx, taker, there.Time.Add(-window-clocks))
	if err != nil {
		return false, err
	}
	have, err := tail(ctx, x.c.nc, x.taker, []string{m.Subject}, from, min(taker.State.LastSeq, from+countable))
	if err != nil {
		return false, fmt.Errorf("%s: %w", x.c, err)
	}
	for _, other := range have {
		if other.Header.Get(nats.MsgIdHdr) == id {
			return true, nil
		}
	}
	return false, nil
}
