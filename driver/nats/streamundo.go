package nats

import (
	"context"
	"fmt"
	"maps"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// Undo of an update restores the owned settings; a limit that would throw
// messages away now stays. Undo of a create detaches the stream from its
// subjects and deletes it only if it holds no message.
func (a *streamAction) Undo(ctx context.Context, e driver.Effect) error {
	info, err := a.c.stream(ctx, a.p.Name)
	if err != nil {
		return err
	}
	was := e.Before[a.id]
	switch {
	case info == nil && flag(was["exists"]):
		return fmt.Errorf("%s: stream %s is gone, somebody deleted it: its settings cannot be restored", a.c, a.p.Name)
	case info == nil:
		return nil
	case flag(was["exists"]):
		return a.restore(ctx, e, info, was)
	}
	return a.remove(ctx, e, info)
}

func (a *streamAction) restore(ctx context.Context, e driver.Effect, info *streamInfo, was state.Fields) error {
	holds := state.Fields{
		"messages": compact(info.State.Messages),
		"bytes":    compact(info.State.Bytes),
		"oldest":   compact(tidy(age(info.State))),
	}
	now := a.seen(info)[a.id]
	back := maps.Clone(was)
	var kept []string
	for name, v := range was {
		if name != "exists" && !same(now[name], v) && loses(name, v, holds) {
			delete(back, name)
			kept = append(kept, name)
		}
	}
	cfg, changed, err := a.changed(info, back)
	if err != nil {
		return err
	}
	if changed {
		if _, err := a.c.updateStream(ctx, e.Mine, a.p.Name, cfg); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	kept = sorted(kept)
	return &driver.Kept{
		What:   fmt.Sprintf("%s of stream %s as they are", quoted(kept), a.p.Name),
		Cost:   fmt.Sprintf("going back would throw away some of its %d messages", info.State.Messages),
		Hint:   "nats stream edit " + a.p.Name,
		Fields: map[string][]string{a.id: kept},
	}
}

func (a *streamAction) remove(ctx context.Context, e driver.Effect, info *streamInfo) error {
	if len(info.subjects()) > 0 {
		if err := a.c.setSubjects(ctx, e.Mine, info, nil); err != nil {
			return fmt.Errorf("detach it: %w", err)
		}
	}
	if _, err := a.c.stillness(ctx, info); err != nil {
		return err
	}
	messages := info.State.Messages
	if messages == 0 {
		return a.c.deleteStream(ctx, e.Mine, a.p.Name)
	}
	return &driver.Kept{
		What:   fmt.Sprintf("stream %s, detached from its subjects", a.p.Name),
		Cost:   fmt.Sprintf("%d messages that arrived since", messages),
		Hint:   "once nobody needs them: nats stream rm " + a.p.Name,
		Fields: map[string][]string{a.id: {"*"}},
	}
}

// settled waits until a stream has stored everything up to a sequence.
func (c *Conn) settled(ctx context.Context, stream string, last uint64) (*streamInfo, error) {
	var info *streamInfo
	err := await(ctx, func() (bool, error) {
		var err error
		if info, err = c.stream(ctx, stream); err != nil {
			return false, err
		}
		if info == nil {
			return false, fmt.Errorf("%s: stream %s is gone", c, stream)
		}
		return info.State.LastSeq >= last, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait until stream %s has stored message %d: %w", stream, last, err)
	}
	return info, nil
}
