package nats

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/relay"
)

func clone(cfg config) config { return maps.Clone(cfg) }

// gap is the part in which nobody owns the space. When it returns nil the taker
// owns it, whatever went wrong: what the relay can no longer account for then
// is said in the ledger.
func (x *crossing) gap(ctx context.Context, g *gathered, l *leg) error {
	if err := x.mine(); err != nil {
		return err
	}
	before := x.mine
	x.mine = lingering(before)
	defer func() { x.mine = before }()
	began := time.Now()
	if err := x.cut(ctx, g); err != nil {
		return err
	}
	err := x.carry(ctx, g, l)
	if err == nil {
		err = x.attach(ctx, g)
	}
	ownerless := time.Since(began)
	if err == nil {
		err = x.overlap(ctx, g)
	}
	if err == nil {
		l.Ownerless = ms(ownerless)
		return nil
	}
	if errors.Is(err, driver.ErrNotMine) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gapTimeout)
	defer cancel()
	if rescue := x.rescue(ctx); rescue != nil {
		return errors.Join(err, rescue)
	}
	l.Ownerless = ms(time.Since(began))
	l.Ledger = &relay.Ledger{Blind: err.Error(), Ownerless: l.Ownerless}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// lingering asks mine, and is content with an answer that is hardly old when
// the work was cancelled: Mine says yes only while the lease lasts another
// second, and a space without an owner must not be left behind.
func lingering(mine func() error) func() error {
	const lasts = 800 * time.Millisecond
	sure := time.Now()
	return func() error {
		err := mine()
		switch {
		case err == nil:
			sure = time.Now()
		case !errors.Is(err, driver.ErrNotMine) && time.Since(sure) < lasts:
			return nil
		}
		return err
	}
}

// cut takes the space from the giver.
func (x *crossing) cut(ctx context.Context, g *gathered) error {
	if _, err := x.c.updateSoon(ctx, x.mine, x.giver, g.dropped); err != nil {
		err = fmt.Errorf("cut %s: %w", quoted(x.space), err)
		if refused(err) {
			return err // it owns it
		}
		if owner, look := x.owner(ctx); look != nil || owner != "" {
			return errors.Join(err, look)
		}
	}
	x.reached("cut")
	return nil
}

// carry forwards what was published since the giver stored its last message,
// once the taker has copied that one.
func (x *crossing) carry(ctx context.Context, g *gathered, l *leg) error {
	if err := sleep(ctx, settleTime); err != nil {
		return err
	}
	end, err := x.end(ctx, g, x.giver)
	if err != nil {
		return err
	}
	l.End = end
	if _, err := x.applied(ctx, x.giver, end); err != nil {
		return err
	}
	rest, err := tailBy(ctx, g.reader, x.giver, x.space, g.read+1, end, flight)
	if err != nil {
		return err
	}
	g.tail, g.read = append(g.tail, rest...), end
	short, cancel := context.WithTimeoutCause(ctx, 2*electing, fmt.Errorf("not within %s", 2*electing))
	defer cancel()
	if err := x.copied(short, end); err != nil {
		return fmt.Errorf("wait until stream %s has copied the last of %s: %w", x.taker, x.giver, err)
	}
	if l.Cut, err = x.end(ctx, g, x.taker); err != nil {
		return err
	}
	g.relay.Forward(g.since.Index, g.tail)
	// What has waited is the taker's before anything comes to it directly, which
	// would overtake it. Without that, order may be lost and no message.
	brief, stop := context.WithTimeout(ctx, settleTime)
	defer stop()
	_, _ = x.end(brief, g, x.taker)
	x.reached("carried")
	return g.relay.Err()
}

// electing is how long a stream may be without a leader before the gap is ended
// without what only the leader knows.
const electing = time.Second

// end is a stream's exact last sequence, by its subject for probes. A leader
// that has just gone is waited for: the relay goes on hearing.
func (x *crossing) end(ctx context.Context, g *gathered, stream string) (last uint64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, electing, fmt.Errorf("not within %s", electing))
	defer cancel()
	for {
		short, stop := context.WithTimeoutCause(ctx, firstAsk, errors.New("no answer"))
		owner, last, err := g.relay.Probe(short, closedSubject(stream))
		stop()
		switch {
		case err == nil && owner == stream:
			return last, nil
		case err == nil:
			return 0, fmt.Errorf("stream %s answers on %s", owner, closedSubject(stream))
		case g.relay.Err() != nil || ctx.Err() != nil:
			return 0, err
		}
		if sleep(ctx, time.Millisecond) != nil {
			return 0, err
		}
	}
}

// attach gives the space to the taker, which keeps the relay's prefix: what is
// under way there is stored too.
func (x *crossing) attach(ctx context.Context, g *gathered) error {
	g.relay.OwnReplies()
	if _, err := x.c.updateSoon(ctx, x.mine, x.taker, g.attached); err != nil {
		return fmt.Errorf("attach %s: %w", quoted(x.space), err)
	}
	return nil
}

// overlap lets the relay forward until everybody publishes to the taker.
func (x *crossing) overlap(ctx context.Context, g *gathered) error {
	if err := sleep(ctx, settleTime); err != nil {
		return err
	}
	g.relay.Rest()
	return g.relay.Err()
}

// rescue gives the space to the taker when the way there has failed: its
// messages are not the giver's any more, and it takes what comes. If it cannot,
// the giver gets it back.
func (x *crossing) rescue(ctx context.Context) error {
	x.linger(ctx)
	err := x.own(ctx, x.taker)
	if err == nil || errors.Is(err, driver.ErrNotMine) {
		return err
	}
	if back := x.own(ctx, x.giver); back != nil {
		return fmt.Errorf("%s, giving it to stream %s failed: %w", ownerless(x.space, err, back), x.taker, errors.Join(err, back))
	}
	return fmt.Errorf("stream %s owns %s again, giving it to stream %s failed: %w", x.giver, quoted(x.space), x.taker, err)
}

// own makes a stream own the space.
func (x *crossing) own(ctx context.Context, stream string) error {
	info, err := x.c.stream(ctx, stream)
	if err != nil {
		return err
	}
	if info == nil {
		return fmt.Errorf("%s: stream %s is gone", x.c, stream)
	}
	_, err = x.edit(ctx, stream, info.Config, func(cfg config) { addSubjects(cfg, x.space...) })
	return err
}

// linger gives the taker a moment to copy the giver's last messages, so that
// what is published to it comes after them.
func (x *crossing) linger(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*settleTime)
	defer cancel()
	_ = x.copied(ctx, math.MaxUint64) // without it, order is lost and no message
}

// updateSoon is updateStream for when publishers wait: it is asked again soon,
// as the leader that would answer may have gone just now.
func (c *Conn) updateSoon(ctx context.Context, mine func() error, name string, cfg config) (*streamInfo, error) {
	var info streamInfo
	patience := []time.Duration{firstAsk / 2, firstAsk, 2 * firstAsk, attempt}
	if err := c.send(ctx, mine, patience, "$JS.API.STREAM.UPDATE."+name, cfg, &info); err != nil {
		return nil, fmt.Errorf("update stream %s: %w", name, err)
	}
	return &info, nil
}
