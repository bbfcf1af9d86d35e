package nats

import (
	"context"
	"fmt"
	"strings"

	"github.com/segue-run/segue/driver"
)

// Undo gives the subjects back to the old stream at once, whatever state the
// move is in; then it lets workers finish what the new stream holds. Service
// comes before order: old durables deliver new messages meanwhile.
func (m *move) Undo(ctx context.Context, e driver.Effect) error {
	from, err := m.c.stream(ctx, m.p.From)
	if err != nil {
		return err
	}
	to, err := m.c.stream(ctx, m.p.To)
	if err != nil {
		return err
	}
	back := common(m.moving, list(e.Before[m.fromID()]["subjects"]))
	switch {
	case len(back) == 0:
	case from == nil:
		return fmt.Errorf("%s: stream %s is gone: %s cannot go back to it", m.c, m.p.From, quoted(back))
	case to == nil:
		err = m.c.setSubjects(ctx, e.Mine, from, union(from.subjects(), back))
	default:
		err = m.c.hand(ctx, e.Mine, back, to, from)
	}
	if err != nil {
		return err
	}
	if to == nil {
		return nil
	}
	if _, err := m.c.stillness(ctx, to); err != nil {
		return err
	}
	kept := &driver.Kept{Fields: map[string][]string{}}
	deadline, cancel := context.WithTimeout(ctx, undoDrain)
	defer cancel()
	for _, name := range m.p.Consumers {
		if err := m.release(ctx, deadline, e, name, kept); err != nil {
			return err
		}
	}
	m.foreign(e, from, to, kept)
	if kept.What == "" {
		return nil
	}
	return kept
}

// release lets a durable on the new stream finish, and takes it away if move
// made it.
func (m *move) release(ctx, deadline context.Context, e driver.Effect, name string, kept *driver.Kept) error {
	was := e.Before[m.consumerID(name)]
	done, now, err := m.c.finished(ctx, m.p.To, name, nil)
	if err != nil || now == nil {
		return err
	}
	if now.Paused && !(done && (flag(was["paused"]) || !flag(was["exists"]))) {
		if err := m.c.resume(ctx, e.Mine, m.p.To, name); err != nil {
			return err
		}
		now.Paused = false
	}
	err = await(deadline, func() (bool, error) {
		var next *consumerInfo
		var err error
		if done {
			return true, nil
		}
		if done, next, err = m.c.finished(ctx, m.p.To, name, nil); next != nil {
			now = next
		}
		return done, err
	})
	if err != nil && (ctx.Err() != nil || deadline.Err() == nil) {
		return err
	}
	switch {
	case !done:
		one := keptConsumer(m.p.To, now, m.consumerID(name))
		keep(kept, one.What, one.Cost, one.Hint, m.consumerID(name), "*")
	case !flag(was["exists"]):
		return m.c.deleteConsumer(ctx, e.Mine, m.p.To, name)
	case flag(was["paused"]) && !now.Paused:
		return m.c.pause(ctx, e.Mine, m.p.To, name, forever())
	}
	return nil
}

// foreign reports subjects that somebody else gave to the streams or took
// from them meanwhile: move leaves them alone.
func (m *move) foreign(e driver.Effect, from, to *streamInfo, kept *driver.Kept) {
	m.c.foreign(e, m.moving, from, to, kept)
}

func (c *Conn) foreign(e driver.Effect, moving []string, from, to *streamInfo, kept *driver.Kept) {
	for _, info := range []*streamInfo{from, to} {
		if info == nil {
			continue
		}
		id := c.streamID(info.name())
		was, now := list(e.Before[id]["subjects"]), info.subjects()
		if e.Before[id]["subjects"] == nil {
			continue
		}
		if more := minus(minus(now, was), moving); len(more) > 0 {
			keep(kept, "subjects "+quoted(more)+" of stream "+info.name(), "somebody else gave it these since", "", id, "subjects")
		}
		if less := minus(minus(was, now), moving); len(less) > 0 {
			keep(kept, "stream "+info.name()+" without "+quoted(less), "somebody else took these from it since", "", id, "subjects")
		}
	}
}

func keep(kept *driver.Kept, what, cost, hint, id, field string) {
	join := func(a, b string) string { return strings.Trim(a+"; "+b, "; ") }
	kept.What, kept.Cost, kept.Hint = join(kept.What, what), join(kept.Cost, cost), join(kept.Hint, hint)
	kept.Fields[id] = append(kept.Fields[id], field)
}
