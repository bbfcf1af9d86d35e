package nats

import (
	"context"
	"fmt"
	"slices"

	"github.com/segue-run/segue/driver/nats/relay"
)

// audits are how often the relay's memory is compared with the streams before
// what is still wrong is given up. What two in a row find is mended.
const audits = 30

// reconcile compares everything that was heard with what both streams hold, as
// their leaders have it now, and mends what is wrong: a message that is nowhere
// is forwarded, a second copy taken out. Nobody reads the taker yet. It does so
// whether the leaders have changed in the gap or not.
func (x *crossing) reconcile(ctx context.Context, g *gathered, l *leg) error {
	ledger := &relay.Ledger{Ownerless: l.Ownerless}
	var last *relay.Finding
	var failed error
	for range audits {
		f, to, err := x.audit(ctx, g, l)
		if g.relay.Err() != nil {
			return x.lost(ctx, l, g.relay.Err())
		}
		if err != nil { // a leader has gone; another one comes
			if failed = err; ctx.Err() != nil {
				return err
			}
			last = nil
			if err := sleep(ctx, rarely); err != nil {
				return err
			}
			continue
		}
		if f.Clean() {
			ledger.Reordered, ledger.Repeats = f.Reordered, f.Repeats
			ledger.Forwarded = g.relay.Forwarded()
			return x.book(ctx, l, ledger, f.Published, to)
		}
		if last != nil {
			if err := x.mend(ctx, g, last, f, ledger); err != nil {
				return err
			}
		}
		last = f
		if err := sleep(ctx, settleTime); err != nil {
			return err
		}
	}
	if last == nil {
		return fmt.Errorf("%s: stream %s owns %s now, and could not be compared with what was published: %w", x.c, x.taker, quoted(x.space), failed)
	}
	return fmt.Errorf("%s: %s owns %s now, and its messages are not those that were published, each of %d times: %d are in neither stream, %d are there twice, %d were not heard",
		x.c, x.taker, quoted(x.space), audits, len(last.Missing), len(last.Extra), len(last.Unheard))
}

// audit reads both streams from their leaders.
func (x *crossing) audit(ctx context.Context, g *gathered, l *leg) (*relay.Finding, uint64, error) {
	to, err := x.mark(ctx, g, concrete(x.space[0]), x.taker)
	if err != nil {
		return nil, 0, err
	}
	end, err := x.end(ctx, g, x.giver)
	if err != nil {
		return nil, 0, err
	}
	for stream, last := range map[string]uint64{x.taker: to.Last, x.giver: end} {
		if err := x.applied(ctx, stream, last); err != nil {
			return nil, 0, err
		}
	}
	old, err := tail(ctx, g.reader, x.giver, x.space, g.since.Last+1, end)
	if err != nil {
		return nil, 0, err
	}
	have, err := tail(ctx, g.reader, x.taker, x.space, l.Before+1, to.Last)
	if err != nil {
		return nil, 0, err
	}
	taken := slices.DeleteFunc(have, func(m relay.Stored) bool { return m.Source == x.giver })
	return relay.Audit(g.relay.Heard(g.since.Index, to.Index), old, taken), to.Last, g.relay.Err()
}

// mend does what two audits agree on.
func (x *crossing) mend(ctx context.Context, g *gathered, before, now *relay.Finding, ledger *relay.Ledger) error {
	missing := relay.Both(before.Missing, now.Missing)
	g.relay.Repair(missing)
	ledger.Repaired += len(missing)
	for _, seq := range now.Extra {
		if !slices.Contains(before.Extra, seq) {
			continue
		}
		if err := x.c.deleteMessage(ctx, x.mine, x.taker, seq); err != nil {
			return err
		}
		ledger.Removed++
	}
	return nil
}

// lost goes on without the relay.
func (x *crossing) lost(ctx context.Context, l *leg, err error) error {
	l.Ledger = &relay.Ledger{Blind: err.Error(), Ownerless: l.Ownerless}
	return x.reconcileBlind(ctx, l)
}
