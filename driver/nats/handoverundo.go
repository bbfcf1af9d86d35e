package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/relay"
	"github.com/segue-run/segue/state"
)

// Undo gives the subjects an owner at once, then hands them back over: the old
// stream gets all that the new one has got, in order, and consumers go on where
// they are. The new stream keeps what it holds; all of it is in the old one.
func (h *handover) Undo(ctx context.Context, e driver.Effect) error {
	v, err := readVoyage(e.Cursor)
	if err != nil {
		return err
	}
	if len(minus(h.moving, list(e.Before[h.fromID()]["subjects"]))) > 0 {
		return nil // they were not the old stream's: nothing was handed over
	}
	kept := &driver.Kept{Fields: map[string][]string{}}
	there, back := h.forward(e.Mine), h.back(e.Mine)
	if v.Back.At == "" {
		if err := there.adopt(ctx, &v.Forward); err != nil {
			return err
		}
	}
	owner, err := there.owner(ctx)
	if err != nil {
		return err
	}
	if owner == h.p.To || v.Back.At != "" && !v.Back.past(atSettled) {
		if err := h.handBack(ctx, e, &v, back, kept); err != nil {
			return err
		}
	}
	if err := h.straysBack(ctx, there, &v, owner); err != nil {
		return err
	}
	if err := h.consumersBack(ctx, e, &v); err != nil {
		return err
	}
	if err := h.clear(ctx, there, kept, &v); err != nil {
		return err
	}
	from, to, err := there.look(ctx)
	if err != nil {
		return err
	}
	h.c.foreign(e, h.moving, from, to, kept)
	if kept.What == "" {
		return nil
	}
	return kept
}

// Tell shows the ledger of the way back.
func (h *handover) Tell(cursor json.RawMessage) (state.State, error) {
	v, err := readVoyage(cursor)
	if err != nil || v.Back.Ledger == nil {
		return nil, err
	}
	return state.State{h.fromID(): {"ledger": compact(v.Back.Ledger.Condensed(listed))}}, nil
}

// straysBack brings home what an attempt had carried over that could not be
// finished.
func (h *handover) straysBack(ctx context.Context, there *crossing, v *voyage, owner string) error {
	var strays []relay.Stored
	var err error
	switch {
	case v.Forward.Strays != nil:
		strays, err = there.straysIn(ctx, *v.Forward.Strays)
	case owner == h.p.From && v.Back.At == "" && v.Forward.At == atCutting:
		strays, err = there.strays(ctx, &v.Forward)
	}
	if err != nil {
		return err
	}
	return there.returnStrays(ctx, strays)
}

// handBack is the crossing to the old stream. When it owns the subjects, and
// only taking transforms away has to wait, that is reported as kept.
func (h *handover) handBack(ctx context.Context, e driver.Effect, v *voyage, back *crossing, kept *driver.Kept) error {
	save := func(ctx context.Context) error { return e.Save(ctx, *v) }
	if v.Back.At == "" {
		start, since, err := h.backStart(ctx, v)
		if err != nil {
			return err
		}
		back.start, v.Back.Since = start, since
	}
	err := back.cross(ctx, &v.Back, save)
	if unfinished, ok := errors.AsType[*unsettled](err); ok {
		keep(kept, "the relay's transform on stream "+h.p.From, unfinished.Error(), unrelay(h.p.From), h.fromID(), "relayed")
		return nil
	}
	return err
}

// unrelay is how what a relay needed is taken away by hand.
func unrelay(stream string) string {
	return fmt.Sprintf("the next handover takes it away; or, when all replicas are current: nats stream edit %s --interactive, without subject _segue.relay.%s.> and subject_transform", stream, stream)
}

// backStart is the new stream's first message that the old one lacks, and the old
// one's first that may be a copy of it, 0 if that is not known.
func (h *handover) backStart(ctx context.Context, v *voyage) (start, since uint64, err error) {
	switch {
	case v.Forward.past(atReconciled):
		return v.Forward.Cut + 1, v.Forward.End + 1, nil
	case v.Forward.past(atAttached) || v.Forward.At == atCutting:
		if err := h.forward(read).locate(ctx, &v.Forward); err != nil {
			return 0, 0, err
		}
		return v.Forward.Cut + 1, v.Forward.End + 1, nil
	}
	start, ok, err := h.back(read).startAfter(ctx)
	if err == nil && !ok {
		start = 1
	}
	return start, 0, err
}

// clear takes what a crossing that was not finished has left on the new stream,
// and the standby's copying.
func (h *handover) clear(ctx context.Context, there *crossing, kept *driver.Kept, v *voyage) error {
	from, to, err := there.look(ctx)
	if err != nil {
		return err
	}
	there.window = v.Forward.Window
	if _, err := there.edit(ctx, h.p.To, to.Config, func(cfg config) { there.dropSource(cfg, h.p.From); there.restoreWindow(cfg) }); err != nil {
		return err
	}
	if prefixed(to.Config) {
		if err := there.current(ctx, h.p.To); err != nil {
			keep(kept, "the relay's transform on stream "+h.p.To, err.Error(), unrelay(h.p.To), h.toID(), "relayed")
		} else {
			if _, to, err = there.look(ctx); err != nil {
				return err
			}
			if _, err := there.edit(ctx, h.p.To, to.Config, func(cfg config) { there.closePrefix(cfg); dropClosed(h.p.To, cfg) }); err != nil {
				return err
			}
		}
	}
	if _, err := there.edit(ctx, h.p.From, from.Config, func(cfg config) {
		there.back().dropSource(cfg, h.p.To)
		dropClosed(h.p.From, cfg)
	}); err != nil {
		return err
	}
	return nil
}

// back is the crossing the other way.
func (x *crossing) back() *crossing {
	return &crossing{c: x.c, giver: x.taker, taker: x.giver, space: x.space, mine: x.mine, hooks: x.hooks}
}

// consumersBack has the old durables go on where the new ones are.
func (h *handover) consumersBack(ctx context.Context, e driver.Effect, v *voyage) error {
	for _, name := range h.p.Consumers {
		was := e.Before[h.c.consumerID(h.p.To, name)]
		next, err := h.c.consumer(ctx, h.p.To, name)
		if err != nil {
			return err
		}
		old, err := h.c.consumer(ctx, h.p.From, name)
		if err != nil {
			return err
		}
		if old != nil && old.Paused && !flag(e.Before[h.c.consumerID(h.p.From, name)]["paused"]) {
			at, err := h.position(ctx, e, v, name, next)
			if err != nil {
				return err
			}
			if at > 0 {
				if err := h.c.reset(ctx, e.Mine, h.p.From, name, at); err != nil {
					return err
				}
			}
			if err := h.c.resume(ctx, e.Mine, h.p.From, name); err != nil {
				return err
			}
		}
		if next == nil {
			continue
		}
		if flag(was["exists"]) {
			err = h.retire(ctx, e, name, flag(was["paused"]))
		} else {
			err = h.c.deleteConsumer(ctx, e.Mine, h.p.To, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retire leaves a durable on the new stream that was there before with nothing
// to deliver: the old one delivers what it had, and history was never its.
func (h *handover) retire(ctx context.Context, e driver.Effect, name string, paused bool) error {
	now, err := h.c.consumer(ctx, h.p.To, name)
	if err != nil || now == nil {
		return err
	}
	if now.Pending > 0 || now.AckPending > 0 {
		if !now.Paused {
			if err := h.c.pause(ctx, e.Mine, h.p.To, name, forever()); err != nil {
				return err
			}
			now.Paused = true
		}
		last, err := h.forward(read).last(ctx, h.p.To)
		if err != nil {
			return err
		}
		if err := h.c.reset(ctx, e.Mine, h.p.To, name, last+1); err != nil {
			return err
		}
	}
	switch {
	case paused && !now.Paused:
		return h.c.pause(ctx, e.Mine, h.p.To, name, forever())
	case !paused && now.Paused:
		return h.c.resume(ctx, e.Mine, h.p.To, name)
	}
	return nil
}

// position is the old stream's message with which the old durable has to go on;
// 0: where it is. The new durable may finish for a moment what it has begun;
// what it does not is delivered again from the old stream, so nothing that it
// delivers any more counts.
func (h *handover) position(ctx context.Context, e driver.Effect, v *voyage, name string, next *consumerInfo) (uint64, error) {
	if !v.past(afterDrained) { // it was not touched, or paused and nothing more
		return 0, nil
	}
	floor := v.Forward.Cut
	if next != nil {
		deadline, cancel := context.WithTimeout(ctx, undoDrain)
		defer cancel()
		done := false
		err := await(deadline, func() (bool, error) {
			var now *consumerInfo
			var err error
			if done, now, err = h.c.finished(ctx, h.p.To, name, nil); now != nil {
				next = now
			}
			return done || next.Paused, err
		})
		if err != nil && (ctx.Err() != nil || deadline.Err() == nil) {
			return 0, err
		}
		if done && v.Back.past(atReconciled) {
			return v.Back.Cut + 1, nil
		}
		if !next.Paused {
			if err := h.c.pause(ctx, e.Mine, h.p.To, name, forever()); err != nil {
				return 0, err
			}
			if next, err = h.c.consumer(ctx, h.p.To, name); err != nil || next == nil {
				return 0, fmt.Errorf("look at consumer %s of stream %s: %w", name, h.p.To, err)
			}
		}
		floor = max(floor, next.AckFloor.Stream)
	}
	return h.back(read).mapped(ctx, floor+1, v.Forward.End+1, v.Back.Cut)
}

// mapped is the taker's first message, of those between two, that is a copy of
// the giver's from a sequence on; the one after them if there is none.
func (x *crossing) mapped(ctx context.Context, seq, first, last uint64) (uint64, error) {
	var failed error
	found := last + 1
	for _, pattern := range x.space {
		n := sort.Search(int(last+1-min(first, last+1)), func(i int) bool { //nolint:gosec // a stream does not have 2⁶³ messages
			m, err := x.c.message(ctx, x.taker, map[string]any{"seq": first + uint64(i), "next_by_subj": pattern}) //nolint:gosec // as above
			if err != nil {
				failed = err
			}
			if err != nil || m == nil || m.Seq > last {
				return true
			}
			from, at := sourceOf(m.header(sourceHeader))
			return from != x.giver || at >= seq
		})
		found = min(found, first+uint64(n)) //nolint:gosec // as above
	}
	return found, failed
}
