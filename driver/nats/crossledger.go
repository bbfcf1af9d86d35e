package nats

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver/nats/relay"
)

// countable is how many messages are read one by one to count them.
const countable = 200_000

// book counts both streams by subject and compares them with what the relay
// heard, or what the taker took where the relay was lost. The three numbers of
// a row come from three places. own is what the taker has taken itself since
// before the cut, as far as published speaks of it.
func (x *crossing) book(ctx context.Context, l *leg, ledger *relay.Ledger, published map[string]uint64, own reading) error {
	l.Ledger = ledger
	ledger.Interrupted = l.Interrupted
	old, copies, taken, err := x.compared(ctx, l, ledger, own)
	if err != nil {
		return err
	}
	for subject, n := range published {
		ledger.Row(subject).Relay = n
	}
	for subject, n := range taken {
		ledger.Row(subject).New = n
	}
	if old == nil || copies == nil {
		ledger.Uncounted = fmt.Sprintf("more than %d messages are copies: they were followed and not counted again", countable)
	} else {
		for subject, n := range old {
			ledger.Row(subject).Old = n
		}
		for subject, n := range copies {
			ledger.Row(subject).New += n
		}
		if err := x.expired(ctx, l, ledger); err != nil {
			return err
		}
	}
	if unequal := ledger.Unequal(); unequal != "" {
		return fmt.Errorf("%s: stream %s owns %s now, and the ledger is not equal: %s", x.c, x.taker, quoted(x.space), unequal)
	}
	return nil
}

// compared counts what the giver had to give and what the taker has of it, nil
// where they are too many or cannot be told apart, and what the taker has taken
// itself. Both may let go of messages meanwhile: it looks again.
func (x *crossing) compared(ctx context.Context, l *leg, ledger *relay.Ledger, own reading) (old, copies, taken map[string]uint64, err error) {
	if l.Since == 0 {
		if old, err = x.toCopy(ctx, l); err == nil {
			copies, taken, err = x.taken(ctx, l, old, own)
		}
		return old, copies, taken, err
	}
	for range audits {
		if old, copies, taken, ledger.Known, err = x.compareSince(ctx, l, own.next-1); err != nil {
			return nil, nil, nil, err
		}
		if old == nil || equalCounts(copies, old) {
			break
		}
	}
	return old, copies, taken, nil
}

// toCopy counts the giver's messages that the taker had to copy; nil when they
// are too many to count.
func (x *crossing) toCopy(ctx context.Context, l *leg) (map[string]uint64, error) {
	switch {
	case l.Start <= max(l.First, 1):
		return x.counts(ctx, x.giver)
	case l.End >= l.Start && l.End-l.Start > countable:
		return nil, nil
	}
	have, err := tail(ctx, x.c.nc, x.giver, x.space, l.Start, l.End)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.c, err)
	}
	return tally(have, 0), nil
}

// tally counts messages by subject, up to a sequence; 0: all.
func tally(have []relay.Stored, until uint64) map[string]uint64 {
	out := map[string]uint64{}
	for _, m := range have {
		if until == 0 || m.Seq <= until {
			out[m.Subject]++
		}
	}
	return out
}

// taken counts what the taker has copied, nil if that cannot be known, and what
// it has taken itself. It goes on taking meanwhile: its counts are of some moment
// between two looks, and if at one of these they are what they should be they are
// taken for that moment's.
func (x *crossing) taken(ctx context.Context, l *leg, old map[string]uint64, own reading) (copies, taken map[string]uint64, err error) {
	taken = tally(own.have, 0)
	if l.Held == nil || old == nil {
		return nil, taken, nil
	}
	start := own.next - 1
	for range audits {
		first, err := x.c.stream(ctx, x.taker)
		if err != nil || first == nil {
			return nil, nil, fmt.Errorf("look at stream %s: %w", x.taker, err)
		}
		counts, err := x.counts(ctx, x.taker)
		if err != nil {
			return nil, nil, err
		}
		second, err := x.c.stream(ctx, x.taker)
		if err != nil || second == nil {
			return nil, nil, fmt.Errorf("look at stream %s: %w", x.taker, err)
		}
		last := second.State.LastSeq
		more, err := tail(ctx, x.c.nc, x.taker, x.space, own.next, last)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", x.c, err)
		}
		own.add(more, last, x.giver)
		for at := max(first.State.LastSeq, start, 1); at <= last; at++ {
			copies = subtract(subtract(counts, l.Held), tally(own.have, at))
			if equalCounts(copies, old) {
				return copies, taken, nil
			}
		}
	}
	return copies, taken, nil
}

func subtract(a, b map[string]uint64) map[string]uint64 {
	out := map[string]uint64{}
	for k, n := range a {
		out[k] = n - b[k]
	}
	return out
}

func equalCounts(a, b map[string]uint64) bool {
	for _, m := range []map[string]uint64{a, b} {
		for k := range m {
			if a[k] != b[k] {
				return false
			}
		}
	}
	return true
}

// expired explains copies of messages that the giver has let go of since.
func (x *crossing) expired(ctx context.Context, l *leg, ledger *relay.Ledger) error {
	giver, err := x.c.stream(ctx, x.giver)
	if err != nil || giver == nil {
		return err
	}
	gone := giver.State.FirstSeq - min(l.First, giver.State.FirstSeq)
	var more uint64
	for _, r := range ledger.Subjects {
		if r.New > r.Old+r.Relay {
			more += r.New - r.Old - r.Relay
		}
	}
	if more == 0 || more > gone {
		return nil
	}
	for _, r := range ledger.Subjects {
		r.Old = max(r.Old, r.New-min(r.Relay, r.New))
	}
	ledger.Expired = more
	return nil
}
