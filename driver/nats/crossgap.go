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
// is said in the ledger. With *givenBack nothing was handed over.
func (x *crossing) gap(ctx context.Context, g *gathered, l *leg) error {
	if err := g.relay.Err(); err != nil {
		l.At = atCopied
		return &givenBack{fmt.Errorf("%s: nothing was cut: %w", x.c, err)}
	}
	if err := x.mine(); err != nil {
		return err
	}
	before := x.mine
	x.mine = lingering(before)
	defer func() { x.mine = before }()
	began := time.Now()
	err := x.cut(ctx, g)
	if refused(err) {
		return err // it owns it
	}
	if err == nil {
		err = x.carry(ctx, g, l)
	}
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
	owner, rescue := x.rescue(ctx, g)
	if rescue != nil {
		return errors.Join(err, rescue)
	}
	if owner == x.giver {
		l.Interrupted = fmt.Sprintf("nobody owned the subjects for %.1f ms (%v)%s", ms(time.Since(began)), err, unwaited)
		return &givenBack{err}
	}
	l.Ownerless = ms(time.Since(began))
	l.Ledger = &relay.Ledger{Blind: err.Error(), Ownerless: l.Ownerless}
	return nil
}

// unwaited ends what a ledger says of a gap in which nothing was carried.
const unwaited = "; the old owner has them again: what nobody waited for may be lost, who waited was not answered"

// givenBack: the giver owns the space, as it did before the cut.
type givenBack struct{ err error }

func (g *givenBack) Error() string { return g.err.Error() }
func (g *givenBack) Unwrap() error { return g.err }

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

// cut takes the space from the giver. Without an answer it may have done so, or
// do so later.
func (x *crossing) cut(ctx context.Context, g *gathered) error {
	if _, err := x.c.updateSoon(ctx, x.mine, x.giver, g.dropped); err != nil {
		err = fmt.Errorf("cut %s: %w", quoted(x.space), err)
		if refused(err) {
			return err
		}
		if owner, look := x.owner(ctx); look != nil {
			return fmt.Errorf("%w; and who owns it now: %v", err, look) //nolint:errorlint // a refused look is no refused cut
		} else if owner != "" {
			return err
		}
	}
	x.reached("cut")
	return nil
}

// carry forwards what was published since the giver stored its last message,
// once the taker has copied that one. While the cut gets known, what the giver
// has stored is read and copied already; then only what came since is left.
func (x *crossing) carry(ctx context.Context, g *gathered, l *leg) error {
	l.End = 0
	for cut := time.Now(); ; {
		known := time.Since(cut) >= settleTime
		if err := x.follow(ctx, g, l); err != nil {
			return err
		}
		if known {
			break
		}
		if err := sleep(ctx, settleTime-time.Since(cut)); err != nil {
			return err
		}
	}
	var err error
	if l.Cut, err = x.end(ctx, g, x.taker); err != nil {
		return err
	}
	// Whoever has lost the lease meanwhile does not carry: another may have given
	// the space to somebody.
	if err := x.mine(); err != nil {
		return err
	}
	g.carrying = true
	g.relay.Forward(g.since.Index, g.tail)
	// What has waited is the taker's before anything comes to it directly, which
	// would overtake it. Without that, order may be lost and no message.
	brief, stop := context.WithTimeout(ctx, settleTime)
	defer stop()
	_, _ = x.end(brief, g, x.taker)
	x.reached("carried")
	return g.relay.Err()
}

// follow reads what the giver has stored up to now, and waits until the taker
// has copied it.
func (x *crossing) follow(ctx context.Context, g *gathered, l *leg) error {
	end, err := x.end(ctx, g, x.giver)
	if err != nil || end == l.End {
		return err
	}
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
	l.End = end
	return nil
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

// rescue gives the space an owner when the way to the taker has failed. Once
// something was carried it is the taker: it has all that was the giver's, and
// what comes is later. Before, it is the giver: the taker may lack messages of
// it, and what would come to it now would be in it before these.
func (x *crossing) rescue(ctx context.Context, g *gathered) (owner string, err error) {
	first, second := x.taker, x.giver
	if !g.carrying {
		first, second = second, first
	}
	if err = x.regain(ctx, g, first); err == nil || errors.Is(err, driver.ErrNotMine) {
		return first, err
	}
	if next := x.regain(ctx, g, second); next != nil {
		return "", fmt.Errorf("%s, giving it to stream %s failed: %w", ownerless(x.space, err, next), first, errors.Join(err, next))
	}
	if second == x.taker {
		return second, nil
	}
	return "", fmt.Errorf("stream %s owns %s again, giving it to stream %s failed: %w", second, quoted(x.space), first, err)
}

// regain is own in the gap. The giver's configuration is written whatever it
// seems to be: a request to cut that had no answer may still be on its way, and
// comes before this one.
func (x *crossing) regain(ctx context.Context, g *gathered, stream string) error {
	if stream == x.giver {
		_, err := x.c.updateSoon(ctx, x.mine, x.giver, g.whole)
		return err
	}
	x.linger(ctx)
	return x.own(ctx, stream)
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
