package nats

import (
	"context"
	"fmt"
	"slices"

	"github.com/segue-run/segue/driver/nats/relay"
)

// recover finds out how far the gap had come when the process died in it. The
// space has an owner again.
func (x *crossing) recover(ctx context.Context, l *leg) error {
	owner, err := x.owner(ctx)
	if err != nil {
		return err
	}
	if owner == x.taker {
		l.At = atAttached
		l.Ledger = &relay.Ledger{Blind: died}
		return nil
	}
	// It died before the cut, or the giver has it again. A request to cut that is
	// still on its way comes before this one.
	giver, err := x.c.stream(ctx, x.giver)
	if err != nil || giver == nil {
		return fmt.Errorf("look at stream %s: %w", x.giver, err)
	}
	if _, err := x.c.updateStream(ctx, x.mine, x.giver, giver.Config); err != nil {
		return err
	}
	l.At = atCopied
	if l.Interrupted == "" {
		l.Interrupted = "the process died when it was about to cut the subjects off, or had" + unwaited
	}
	strays, err := x.strays(ctx, l)
	if err != nil {
		return err
	}
	for _, m := range strays { // they stay: they come after what was copied, and before what will be
		if l.Strays == nil {
			l.Strays = &stretch{First: m.Seq}
		}
		l.Strays.Last = m.Seq
		l.Held[m.Subject]++
	}
	return nil
}

// reconcileBlind accounts for what can be seen in the streams alone.
func (x *crossing) reconcileBlind(ctx context.Context, l *leg) error {
	if l.Ledger == nil {
		l.Ledger = &relay.Ledger{Blind: died}
	}
	have, last, err := x.find(ctx, l)
	if err != nil {
		return err
	}
	published := map[string]uint64{}
	var taken []relay.Stored
	for _, m := range have {
		if m.Source != x.giver {
			taken = append(taken, m)
			published[m.Subject]++
		}
	}
	l.Ledger.Doubtful = x.doubtful(l, have)
	return x.book(ctx, l, l.Ledger, published, reading{have: taken, next: last + 1})
}

// locate finds where the giver's messages end in the taker, and which of those
// that follow may be second copies.
func (x *crossing) locate(ctx context.Context, l *leg) error {
	have, _, err := x.find(ctx, l)
	if err != nil {
		return err
	}
	if l.Ledger == nil {
		l.Ledger = &relay.Ledger{Blind: died}
	}
	l.Ledger.Doubtful = x.doubtful(l, have)
	return nil
}

// died is what a ledger says when nobody knows any more what was heard.
const died = "the process that had cut the subjects off died before it could compare what it had heard: what nobody waited for may be missing, what has no Nats-Msg-Id may be there twice"

// doubtful counts what may be a second copy, and what will be one: what was
// copied late.
func (x *crossing) doubtful(l *leg, have []relay.Stored) int {
	var r reading
	r.add(have, 0, x.giver)
	return r.late(l.Cut) + relay.Equal(r.have)
}

// find is locate, and what the taker has since the cut, up to its last.
func (x *crossing) find(ctx context.Context, l *leg) (have []relay.Stored, last uint64, err error) {
	x.start, x.window = l.Start, l.Window
	// The giver takes nothing more, so what the taker lacks still comes.
	if err := x.caughtUpBlind(ctx); err != nil {
		return nil, 0, err
	}
	if l.End, err = x.last(ctx, x.giver); err != nil {
		return nil, 0, err
	}
	if last, err = x.last(ctx, x.taker); err != nil {
		return nil, 0, err
	}
	if have, err = tail(ctx, x.c.nc, x.taker, x.space, l.Before+1, last); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", x.c, err)
	}
	l.Cut = last
	for _, m := range have {
		if m.Source != x.giver {
			// Should a copy have come later than this one, it is copied back twice
			// rather than this one never.
			l.Cut = min(l.Cut, m.Seq-1)
		}
	}
	return have, last, nil
}

// caughtUpBlind is caughtUp when the taker has messages of its own after the
// copies.
func (x *crossing) caughtUpBlind(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, standstill, fmt.Errorf("not within %s", standstill))
	defer cancel()
	var lag uint64
	err := await(ctx, func() (bool, error) {
		info, err := x.c.stream(ctx, x.taker)
		if err != nil || info == nil {
			return false, err
		}
		i := slices.IndexFunc(info.Sources, func(s sourceState) bool { return s.Name == x.giver })
		if i < 0 {
			return true, nil // it was ended, which is done when all was copied
		}
		lag = info.Sources[i].Lag
		return lag == 0 && info.Sources[i].Active >= 0, nil
	})
	if err != nil {
		return fmt.Errorf("%s: wait until stream %s has copied the last %d messages of %s: %w", x.c, x.taker, lag, x.giver, err)
	}
	return nil
}
