package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver/nats/relay"
)

const (
	// settleTime is how long a change of subjects takes to be known to all that
	// still deliver by the old ones.
	settleTime = 10 * time.Millisecond
	// hearing is how long the relay listens to prove that it hears.
	hearing = 20 * time.Millisecond
	// alignments are tried before the relay is said to hear something else than
	// the giver stores. Two publishers that meet at a probe can spoil one.
	alignments = 50
)

// align proves that the relay hears exactly what the giver stores: between two
// aligned probes the two are equal as multisets. So the first is a place in
// which nothing was between the two.
func (x *crossing) align(ctx context.Context, g *gathered) error {
	probed := concrete(x.space[0])
	var why string
	for range alignments {
		from, err := x.mark(ctx, g, probed, x.giver)
		if err != nil {
			return err
		}
		if err := sleep(ctx, hearing); err != nil {
			return err
		}
		to, err := x.mark(ctx, g, probed, x.giver)
		if err != nil {
			return err
		}
		if _, err := x.applied(ctx, x.giver, to.Last); err != nil {
			return err
		}
		stored, err := tail(ctx, g.reader, x.giver, x.space, from.Last+1, to.Last)
		if err != nil {
			return fmt.Errorf("%s: %w", x.c, err)
		}
		f := relay.Audit(g.relay.Heard(from.Index, to.Index), nil, stored)
		if f.Clean() {
			g.since, g.tail, g.read = from, stored, to.Last
			if len(stored) == 0 {
				return nil
			}
			return x.live(ctx, stored[len(stored)-1].Seq)
		}
		why = fmt.Sprintf("%d heard that it did not store, %d stored that were not heard, %d stored twice", len(f.Missing), len(f.Unheard), len(f.Extra))
	}
	return fmt.Errorf("%s: nothing was cut: the relay hears something else on %s than stream %s stores, each of %d times: %s",
		x.c, quoted(x.space), x.giver, alignments, why)
}

// mark is an aligned probe that must be answered by owner.
func (x *crossing) mark(ctx context.Context, g *gathered, probed, owner string) (relay.Mark, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, attempt, fmt.Errorf("no answer within %s", attempt))
	defer cancel()
	m, err := g.relay.Align(ctx, probed)
	if err == nil && m.Owner != owner {
		err = fmt.Errorf("it is stream %s that answers, and not %s", m.Owner, owner)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", x.c, err)
	}
	return m, nil
}

// applied waits until a stream's leader has stored up to a sequence, and says
// who it is.
func (x *crossing) applied(ctx context.Context, stream string, last uint64) (leader string, err error) {
	err = x.soon(ctx, func() (bool, error) {
		info, err := x.c.stream(ctx, stream)
		if err == nil && info == nil {
			err = fmt.Errorf("%s: stream %s is gone", x.c, stream)
		}
		if err != nil {
			return false, err
		}
		leader = info.leader()
		return info.State.LastSeq >= last, nil
	})
	return leader, err
}

// soon is await for what takes milliseconds, in which publishers wait.
func (x *crossing) soon(ctx context.Context, look func() (bool, error)) error {
	for {
		done, err := look()
		if done || err != nil {
			return err
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// brace notes what a resume needs, and makes ready what the gap writes.
func (x *crossing) brace(ctx context.Context, g *gathered, l *leg) error {
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	if giver.Cluster != nil && (giver.leader() != g.server || taker.leader() != g.server) {
		return fmt.Errorf("%s: nothing was cut: the leaders have moved: %s is led from %s, %s from %s, and the relay is at %s",
			x.c, x.giver, giver.leader(), x.taker, taker.leader(), g.server)
	}
	l.Before = taker.State.LastSeq
	g.dropped, g.attached, g.whole = clone(giver.Config), clone(taker.Config), giver.Config
	dropSubjects(x.giver, g.dropped, x.space...)
	addSubjects(g.attached, x.space...)
	return nil
}
