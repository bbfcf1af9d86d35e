package nats

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// consumerAction makes a durable consumer be as the runbook says. It owns the
// settings that are given, and the consumer's existence; an application that
// creates or updates the same durable keeps the rest.
type consumerAction struct {
	c      *Conn
	p      consumerParams
	id     string
	fields state.Fields // what is given
}

type consumerActionParams struct {
	On string `param:"on,required,connection"`
	consumerParams
}

func newConsumer(_ context.Context, c *Conn, p consumerActionParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := &consumerAction{c: c, p: p.consumerParams, id: c.consumerID(p.Stream, p.Name), fields: p.given().fields(consumerSettings())}
	if f := p.filters(); f != nil {
		a.fields["filters"] = compact(f)
	}
	if p.Paused != nil {
		a.fields["paused"] = compact(*p.Paused)
	}
	return a, nil
}

func (a *consumerAction) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "consumer " + a.p.Name + " of stream " + a.p.Stream + " on nats cluster " + a.c.cluster}}
}

func (a *consumerAction) Observe(ctx context.Context) (state.State, error) {
	info, err := a.c.consumer(ctx, a.p.Stream, a.p.Name)
	if err != nil {
		return nil, err
	}
	return a.seen(info), nil
}

func (a *consumerAction) seen(info *consumerInfo) state.State {
	if info == nil {
		return state.State{a.id: {"exists": compact(false)}}
	}
	f := seenFields(consumerSettings(), info.Config, a.fields)
	if _, owned := a.fields["filters"]; owned {
		f["filters"] = compact(info.filters())
	}
	if _, owned := a.fields["paused"]; owned {
		f["paused"] = compact(info.Paused)
	}
	f["exists"] = compact(true)
	return state.State{a.id: f}
}

// Survey reads which streams there are.
func (a *consumerAction) Survey(ctx context.Context) (state.State, error) { return a.c.survey(ctx) }

// Plan plans without knowing the streams.
func (a *consumerAction) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{a.c.streamID(a.p.Stream): {"exists": compact(true)}})
}

// PlanAmong refuses what JetStream would refuse.
func (a *consumerAction) PlanAmong(before, others state.State) (state.State, error) {
	if !flag(others[a.c.streamID(a.p.Stream)]["exists"]) {
		return nil, a.refuse(fmt.Sprintf("there is no stream %s for consumer %s (10059)", a.p.Stream, a.p.Name),
			"a step with nats.stream: {name: "+a.p.Stream+"} before this one")
	}
	want := maps.Clone(a.fields)
	want["exists"] = compact(true)
	was := before[a.id]
	if !flag(was["exists"]) {
		return state.State{a.id: want}, nil
	}
	for _, s := range consumerSettings() {
		v, owned := want[s.name]
		if s.fixed && owned && !same(was[s.name], v) {
			return nil, a.refuse(fmt.Sprintf("JetStream refuses to change %s of consumer %s of stream %s: %s → %s (10012)", s.name, a.p.Name, a.p.Stream, was[s.name], v),
				fmt.Sprintf("%s: %s, or a durable with another name", s.name, was[s.name]))
		}
	}
	return state.State{a.id: want}, nil
}

func (a *consumerAction) refuse(reason, remedy string) error {
	return &driver.Refusal{System: a.c.String(), Reason: reason, Remedy: remedy}
}

// forever is how long a consumer stays paused that a runbook pauses.
func forever() time.Time { return time.Now().AddDate(100, 0, 0) }

func (a *consumerAction) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	info, err := a.c.consumer(ctx, a.p.Stream, a.p.Name)
	if err != nil {
		return nil, err
	}
	if info == nil {
		cfg := config{"ack_policy": compact("explicit"), "deliver_policy": compact("all"), "replay_policy": compact("instant")}
		if flag(e.Want[a.id]["paused"]) {
			cfg["pause_until"] = compact(forever().UTC())
		}
		if err := a.write(cfg, e.Want[a.id]); err != nil {
			return nil, err
		}
		if err := a.c.writeConsumer(ctx, e.Mine, a.p.Stream, a.p.Name, cfg); err != nil {
			return nil, err
		}
	} else if err := a.change(ctx, e, info, e.Want[a.id]); err != nil {
		return nil, err
	}
	return a.shown(ctx, e.Want[a.id])
}

// Resume goes on after a crash between the update and the pause.
func (a *consumerAction) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// shown waits until the consumer's leader shows the fields: it may be a
// moment behind the reply.
func (a *consumerAction) shown(ctx context.Context, fields state.Fields) (state.State, error) {
	var now state.State
	err := await(ctx, func() (bool, error) {
		var err error
		if now, err = a.Observe(ctx); err != nil {
			return false, err
		}
		return a.differs(now[a.id], fields) == "", nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: wait until consumer %s of stream %s is as written (%s differs): %w",
			a.c, a.p.Name, a.p.Stream, a.differs(now[a.id], fields), err)
	}
	return now, nil
}

// differs names a field in which now is not as fields say, "" if none.
func (a *consumerAction) differs(now, fields state.Fields) string {
	for name, v := range fields {
		if !same(now[name], v) {
			return name
		}
	}
	return ""
}

// change updates an existing consumer, and pauses or resumes it.
func (a *consumerAction) change(ctx context.Context, e driver.Effect, info *consumerInfo, fields state.Fields) error {
	now := a.seen(info)[a.id]
	wanted := maps.Clone(fields)
	delete(wanted, "paused")
	delete(wanted, "exists")
	if a.differs(now, wanted) != "" {
		cfg := maps.Clone(info.Config)
		if err := a.write(cfg, wanted); err != nil {
			return err
		}
		if err := a.c.writeConsumer(ctx, e.Mine, a.p.Stream, a.p.Name, cfg); err != nil {
			return err
		}
	}
	if v, owned := fields["paused"]; owned && flag(v) != info.Paused {
		if flag(v) {
			return a.c.pause(ctx, e.Mine, a.p.Stream, a.p.Name, forever())
		}
		return a.c.resume(ctx, e.Mine, a.p.Stream, a.p.Name)
	}
	return nil
}

func (a *consumerAction) write(cfg config, fields state.Fields) error {
	for _, s := range consumerSettings() {
		v, ok := fields[s.name]
		if !ok || same(s.seen(cfg), v) {
			continue
		}
		if err := s.put(cfg, v); err != nil {
			return fmt.Errorf("consumer %s: %w", a.p.Name, err)
		}
	}
	if v, ok := fields["filters"]; ok {
		putFilters(cfg, list(v))
	}
	return nil
}

// Undo of an update restores the owned settings. Undo of a create deletes the
// consumer only once it has finished everything, or has not begun and is still
// paused: its position would be lost.
func (a *consumerAction) Undo(ctx context.Context, e driver.Effect) error {
	info, err := a.c.consumer(ctx, a.p.Stream, a.p.Name)
	if err != nil {
		return err
	}
	was := e.Before[a.id]
	switch {
	case info == nil && flag(was["exists"]):
		return fmt.Errorf("%s: consumer %s of stream %s is gone, somebody deleted it: its position cannot be restored", a.c, a.p.Name, a.p.Stream)
	case info == nil:
		return nil
	case !flag(was["exists"]):
		done, now, err := a.c.finished(ctx, a.p.Stream, a.p.Name, nil)
		if err != nil {
			return err
		}
		if done || now.Paused && now.Delivered.Consumer == 0 { // which never delivered has no position
			return a.c.deleteConsumer(ctx, e.Mine, a.p.Stream, a.p.Name)
		}
		return keptConsumer(a.p.Stream, now, a.id)
	}
	if err := a.change(ctx, e, info, was); err != nil {
		return err
	}
	_, err = a.shown(ctx, was)
	return err
}

func keptConsumer(stream string, info *consumerInfo, id string) *driver.Kept {
	return &driver.Kept{
		What:   fmt.Sprintf("consumer %s of stream %s", info.Name, stream),
		Cost:   fmt.Sprintf("%s: whoever is bound to it finishes them", info.left()),
		Hint:   fmt.Sprintf("once it is drained: nats consumer rm %s %s", stream, info.Name),
		Fields: map[string][]string{id: {"*"}},
	}
}
