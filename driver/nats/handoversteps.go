package nats

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

func (h *handover) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	return h.run(ctx, e)
}

// Resume goes on after a crash.
func (h *handover) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return h.run(ctx, e)
}

func (h *handover) run(ctx context.Context, e driver.Effect) (state.State, error) {
	v, err := readVoyage(e.Cursor)
	if err != nil {
		return nil, err
	}
	if v.Back.At != "" { // it has been back: this is another voyage
		v = voyage{}
	}
	save := func(ctx context.Context) error { return e.Save(ctx, v) }
	x := h.forward(e.Mine)
	// Before everything else the subjects have an owner.
	if err := x.adopt(ctx, &v.Forward); err != nil {
		return nil, err
	}
	if v.Forward.At == "" {
		owner, err := x.owner(ctx)
		if err != nil {
			return nil, err
		}
		if owner == h.p.To { // nothing to hand over
			return h.finish(ctx, e, &v)
		}
		if err := h.preflight(ctx, &v); err != nil {
			return nil, err
		}
		for _, name := range h.p.Consumers {
			if err := h.prepareConsumer(ctx, e, name); err != nil {
				return nil, err
			}
		}
		if v.Forward.Start == 0 {
			if x.start, err = h.startAt(ctx, x); err != nil {
				return nil, err
			}
		}
	}
	if err := x.cross(ctx, &v.Forward, save); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		after string
		do    func(context.Context, driver.Effect, *voyage) error
	}{{afterDrained, h.drain}, {afterMoved, h.moveConsumers}, {afterStandby, h.standBy}} {
		if v.past(s.after) {
			continue
		}
		if err := s.do(ctx, e, &v); err != nil {
			return nil, err
		}
		v.After = s.after
		x.reached(s.after)
		if err := save(ctx); err != nil {
			return nil, err
		}
	}
	return h.finish(ctx, e, &v)
}

// finish looks at what has become of it, and adds the ledger to it.
func (h *handover) finish(ctx context.Context, _ driver.Effect, v *voyage) (state.State, error) {
	after, err := h.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if l := v.Forward.Ledger; l != nil {
		f := maps.Clone(after[h.toID()])
		f["ledger"] = compact(l.Condensed(listed))
		if len(v.Drained) > 0 {
			f["drained"] = compact(map[string]any{"consumers": v.Drained})
		}
		if len(v.Seen) > 0 {
			f["seen"], f["cannot"] = compact(v.Seen), compact(v.Cannot)
		}
		after[h.toID()] = f
	}
	return after, nil
}

// listed is how many subjects a report lists one by one.
const listed = 50

// prepareConsumer makes a durable exist on the new stream, with the old one's
// configuration, and paused: its application may then create or update it as it
// likes, and it starts nowhere.
func (h *handover) prepareConsumer(ctx context.Context, e driver.Effect, name string) error {
	now, err := h.c.consumer(ctx, h.p.To, name)
	if err != nil {
		return err
	}
	if now != nil {
		if now.Paused {
			return nil
		}
		return h.c.pause(ctx, e.Mine, h.p.To, name, forever())
	}
	old, err := h.c.consumer(ctx, h.p.From, name)
	if err != nil {
		return err
	}
	if old == nil {
		return fmt.Errorf("%s: there is no consumer %s on stream %s to copy", h.c, name, h.p.From)
	}
	cfg := maps.Clone(old.Config)
	cfg["pause_until"] = compact(forever().UTC())
	return h.c.writeConsumer(ctx, e.Mine, h.p.To, name, cfg)
}

// drain waits until the old durables have finished all up to the cut.
func (h *handover) drain(ctx context.Context, _ driver.Effect, v *voyage) error {
	began := time.Now()
	v.Drained = map[string]drainage{}
	for _, name := range h.p.Consumers {
		old, err := h.c.consumer(ctx, h.p.From, name)
		if err != nil {
			return err
		}
		if old != nil {
			v.Drained[name] = drainage{Pending: old.Pending, Unacknowledged: old.AckPending, delivered: old.Delivered.Consumer}
		}
	}
	p := moveParams{From: h.p.From, To: h.p.To, Consumers: h.p.Consumers, DrainWithin: h.p.DrainWithin}
	if err := (&move{c: h.c, p: p, moving: h.moving}).drain(ctx); err != nil {
		return err
	}
	for name, d := range v.Drained {
		old, err := h.c.consumer(ctx, h.p.From, name)
		if err != nil {
			return err
		}
		d.Took = ms(time.Since(began))
		if old != nil { // each pending message was delivered once, at least
			d.Repeated = old.Delivered.Consumer - min(old.Delivered.Consumer, d.delivered+d.Pending)
		}
		v.Drained[name] = d
	}
	return nil
}

// moveConsumers pauses the old durables, so that they do not deliver what the
// standby copies, and has the new ones start with the first message that the
// old ones have not had.
func (h *handover) moveConsumers(ctx context.Context, e driver.Effect, v *voyage) error {
	for _, name := range h.p.Consumers {
		old, err := h.c.consumer(ctx, h.p.From, name)
		if err != nil {
			return err
		}
		if old != nil && !old.Paused {
			if err := h.c.pause(ctx, e.Mine, h.p.From, name, forever()); err != nil {
				return err
			}
		}
		if err := h.prepareConsumer(ctx, e, name); err != nil {
			return err
		}
		if err := h.startConsumer(ctx, e, h.p.To, name, v.Forward.Cut+1); err != nil {
			return err
		}
	}
	return nil
}

// startConsumer has a paused durable deliver from a message on.
func (h *handover) startConsumer(ctx context.Context, e driver.Effect, stream, name string, seq uint64) error {
	if err := h.c.reset(ctx, e.Mine, stream, name, seq); err != nil {
		return err
	}
	return h.c.resume(ctx, e.Mine, stream, name)
}

// standBy has the old stream copy what the new one gets from the cut on, and
// waits until it has what there is. It asserts that the new one does not copy it.
func (h *handover) standBy(ctx context.Context, e driver.Effect, v *voyage) error {
	x := h.back(e.Mine)
	x.start = v.Forward.Cut + 1
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	if _, mutual := x.sourcing(giver.Config, x.taker); mutual {
		return fmt.Errorf("%s: stream %s copies stream %s: copying it back would multiply messages without end", h.c, x.giver, x.taker)
	}
	if _, err := x.edit(ctx, x.taker, taker.Config, func(cfg config) {
		if start, ok := x.sourcing(cfg, x.giver); !ok || start != x.start {
			x.addSource(cfg, giver.Config)
		}
	}); err != nil {
		return fmt.Errorf("make stream %s a standby of %s: %w", x.taker, x.giver, err)
	}
	return x.caughtUp(ctx)
}
