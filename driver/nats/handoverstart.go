package nats

import (
	"context"
	"fmt"
	"sort"
	"time"
)

// clocks is how far servers' clocks may be apart.
const clocks = 5 * time.Second

// startAt is the old stream's first message that the new one lacks. What the
// new one holds from an earlier handover, which was undone, is not copied again.
func (h *handover) startAt(ctx context.Context, x *crossing) (uint64, error) {
	giver, _, err := x.look(ctx)
	if err != nil {
		return 0, err
	}
	if seq, ok, err := x.startAfter(ctx); ok || err != nil {
		return seq, err
	}
	switch h.p.History {
	case "none":
		return giver.State.LastSeq + 1, nil
	case "since":
		return x.firstSince(ctx, giver, time.Now().Add(-*h.p.Since))
	}
	return 1, nil
}

// startAfter goes by the last message of the space in the taker: the giver's
// copy or original of it is the last that both have. ok is false when the taker
// has none.
func (x *crossing) startAfter(ctx context.Context) (start uint64, ok bool, err error) {
	var last *message
	for _, pattern := range x.space {
		m, err := x.c.message(ctx, x.taker, map[string]any{"last_by_subj": pattern})
		if err != nil {
			return 0, false, err
		}
		if m != nil && (last == nil || m.Seq > last.Seq) {
			last = m
		}
	}
	if last == nil {
		return 0, false, nil
	}
	if from, seq := sourceOf(last.header(sourceHeader)); from == x.giver {
		return seq + 1, true, nil
	}
	giver, err := x.c.stream(ctx, x.giver)
	if err != nil || giver == nil {
		return 0, false, err
	}
	from, err := x.firstSince(ctx, giver, last.Time.Add(-clocks))
	if err != nil {
		return 0, false, err
	}
	for ; from <= giver.State.LastSeq; from += flight {
		have, err := tail(ctx, x.c.nc, x.giver, x.space, from, min(from+flight-1, giver.State.LastSeq))
		if err != nil {
			return 0, false, err
		}
		for _, m := range have {
			if m.Source == x.taker && m.SourceSeq == last.Seq {
				return m.Seq + 1, true, nil
			}
		}
	}
	return 0, false, fmt.Errorf("%s: stream %s holds message %d on %s, which stream %s does not hold: it is not known where to go on copying; purge %s of what it does not need",
		x.c, x.taker, last.Seq, last.Subject, x.giver, x.taker)
}

// firstSince is the first message of a stream, by sequence, that is not older
// than a time; the next one to come if there is none.
func (x *crossing) firstSince(ctx context.Context, info *streamInfo, since time.Time) (uint64, error) {
	first, last := max(info.State.FirstSeq, 1), info.State.LastSeq
	var failed error
	n := sort.Search(int(last+1-first), func(i int) bool { //nolint:gosec // a stream does not have 2⁶³ messages
		m, err := x.c.message(ctx, info.name(), map[string]any{"seq": first + uint64(i), "next_by_subj": ">"}) //nolint:gosec // as above
		if err != nil {
			failed = err
		}
		return err != nil || m == nil || !m.Time.Before(since)
	})
	return first + uint64(n), failed //nolint:gosec // as above
}
