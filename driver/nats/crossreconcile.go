package nats

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/segue-run/segue/driver/nats/relay"
)

// audits are how often the relay's memory is compared with the streams before
// what is still wrong is given up. What two in a row find is mended.
const audits = 30

// deletions are under way at once: one after the other they would take longer
// than all the rest.
const deletions = 16

// reconcile compares everything that was heard with what both streams hold, as
// their leaders have it now, and mends what is wrong: a message that is nowhere
// is forwarded, a second copy taken out. Nobody reads the taker yet. It does so
// whether the leaders have changed in the gap or not; what one audit has read
// the next one reads again only if they change meanwhile.
func (x *crossing) reconcile(ctx context.Context, g *gathered, l *leg) error {
	ledger := &relay.Ledger{Ownerless: l.Ownerless}
	var last *relay.Finding
	var failed error
	old, have := reading{stream: x.giver, next: g.since.Last + 1}, reading{stream: x.taker, next: l.Before + 1}
	for range audits {
		f, err := x.audit(ctx, g, &old, &have)
		if g.relay.Err() != nil {
			return x.lost(ctx, l, g.relay.Err())
		}
		if err != nil { // a leader has gone; another one comes
			if failed = err; ctx.Err() != nil {
				return err
			}
			last = nil
			old.forget(g.since.Last + 1)
			have.forget(l.Before + 1)
			if err := sleep(ctx, rarely); err != nil {
				return err
			}
			continue
		}
		if f.Clean() {
			ledger.Reordered, ledger.Repeats = f.Reordered, f.Repeats
			ledger.Forwarded, ledger.Doubtful = g.relay.Forwarded(), have.late(l.Cut)
			return x.book(ctx, l, ledger, f.Published, have)
		}
		if last != nil {
			if err := x.mend(ctx, g, last, f, ledger, &have); err != nil {
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

// A reading is what was read of a stream, from its leader.
type reading struct {
	stream string
	have   []relay.Stored
	next   uint64
	leader string
	// copies are the places of what is a copy and has no Nats-Msg-Id.
	copies []uint64
}

func (r *reading) forget(next uint64) { r.have, r.copies, r.next, r.leader = nil, nil, next, "" }

// late counts copies that came after the last that is the giver's. They will be
// copied back; who has a Nats-Msg-Id is known there.
func (r *reading) late(cut uint64) int {
	n := 0
	for _, seq := range r.copies {
		if seq > cut {
			n++
		}
	}
	return n
}

// upTo reads what is new. It fails when another leader has come.
func (x *crossing) upTo(ctx context.Context, g *gathered, r *reading, last uint64) error {
	leader, err := x.applied(ctx, r.stream, last)
	if err != nil {
		return err
	}
	if r.leader != "" && leader != r.leader {
		return fmt.Errorf("%s: stream %s is led from %s, and was from %s", x.c, r.stream, leader, r.leader)
	}
	more, err := tail(ctx, g.reader, r.stream, x.space, r.next, last)
	if err != nil {
		return err
	}
	r.add(more, last, x.giver)
	r.leader = leader
	return nil
}

// add takes what was read up to a sequence; of what the taker has copied only
// where it is.
func (r *reading) add(more []relay.Stored, last uint64, giver string) {
	for _, m := range more {
		switch {
		case m.Source != giver:
			r.have = append(r.have, m)
		case m.Header.Get(nats.MsgIdHdr) == "":
			r.copies = append(r.copies, m.Seq)
		}
	}
	r.next = max(r.next, last+1)
}

// audit reads both streams.
func (x *crossing) audit(ctx context.Context, g *gathered, old, have *reading) (*relay.Finding, error) {
	to, err := x.mark(ctx, g, concrete(x.space[0]), x.taker)
	if err != nil {
		return nil, err
	}
	end, err := x.end(ctx, g, x.giver)
	if err != nil {
		return nil, err
	}
	if err := x.upTo(ctx, g, old, end); err != nil {
		return nil, err
	}
	if err := x.upTo(ctx, g, have, to.Last); err != nil {
		return nil, err
	}
	return relay.Audit(g.relay.Heard(g.since.Index, to.Index), old.have, have.have), g.relay.Err()
}

// mend does what two audits agree on.
func (x *crossing) mend(ctx context.Context, g *gathered, before, now *relay.Finding, ledger *relay.Ledger, have *reading) error {
	missing := relay.Both(before.Missing, now.Missing)
	g.relay.Repair(missing)
	ledger.Repaired += len(missing)
	extra := map[uint64]bool{}
	for _, seq := range now.Extra {
		extra[seq] = slices.Contains(before.Extra, seq)
	}
	var one sync.Mutex
	mine := func() error {
		one.Lock()
		defer one.Unlock()
		return x.mine()
	}
	var all errgroup.Group
	all.SetLimit(deletions)
	for seq, both := range extra {
		if both {
			all.Go(func() error { return x.c.deleteMessage(ctx, mine, x.taker, seq) })
			ledger.Removed++
		}
	}
	have.have = slices.DeleteFunc(have.have, func(m relay.Stored) bool { return extra[m.Seq] })
	return all.Wait()
}

// lost goes on without the relay.
func (x *crossing) lost(ctx context.Context, l *leg, err error) error {
	l.Ledger = &relay.Ledger{Blind: err.Error(), Ownerless: l.Ownerless}
	return x.reconcileBlind(ctx, l)
}
