package nats

import (
	"context"
	"fmt"
	"slices"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// promote ends the hot standby that a handover has left: the old stream copies
// the new one no more, and its durables have nothing left to deliver. It owns
// what the old stream copies of the subjects, and where its durables are.
type promote struct{ h *handover }

type promoteParams struct {
	On        string   `param:"on,required,connection"`
	Subjects  []string `param:"subjects,required" doc:"what was handed over"`
	From      string   `param:"from,required" doc:"the old stream, which is the standby"`
	To        string   `param:"to,required" doc:"the stream that has the subjects"`
	Consumers []string `param:"consumers" doc:"the durables that were handed over"`
}

func (p promoteParams) handover() handoverParams {
	return handoverParams{On: p.On, Subjects: p.Subjects, From: p.From, To: p.To, Consumers: p.Consumers}
}

func (p promoteParams) Validate() error { return p.handover().Validate() }

func newPromote(_ context.Context, c *Conn, p promoteParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &promote{&handover{c: c, p: p.handover(), moving: sorted(p.Subjects)}}, nil
}

// Loses implements driver.Irreversible.
func (a *promote) Loses() string {
	return fmt.Sprintf("the way back without loss: what stream %s gets on %s from now on is not in stream %s", a.h.p.To, quoted(a.h.moving), a.h.p.From)
}

func (a *promote) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.h.fromID(), Name: "stream " + a.h.p.From + " on nats cluster " + a.h.c.cluster}}
}

func (a *promote) Observe(ctx context.Context) (state.State, error) {
	info, err := a.h.c.stream(ctx, a.h.p.From)
	if err != nil {
		return nil, err
	}
	f := state.Fields{"exists": compact(info != nil)}
	if info != nil {
		f["sources"] = compact(a.h.forward(read).sourceNames(info.Config))
	}
	return state.State{a.h.fromID(): f}, nil
}

func (a *promote) Plan(before state.State) (state.State, error) {
	f := before[a.h.fromID()]
	if !flag(f["exists"]) {
		return nil, &driver.Refusal{System: a.h.c.String(), Reason: fmt.Sprintf("there is no stream %s (10059)", a.h.p.From), Remedy: "the old stream of a handover"}
	}
	left := slices.DeleteFunc(list(f["sources"]), func(s string) bool { return s == a.h.p.To })
	return state.State{a.h.fromID(): {"exists": compact(true), "sources": compact(sorted(left))}}, nil
}

func (a *promote) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// Apply asserts that the new stream owns the subjects before it ends the way
// back.
func (a *promote) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	x := a.h.back(e.Mine)
	for _, s := range a.h.moving {
		if err := a.h.c.expectOwner(ctx, s, a.h.p.To); err != nil {
			return nil, err
		}
	}
	old, err := a.h.c.stream(ctx, a.h.p.From)
	if err != nil || old == nil {
		return nil, fmt.Errorf("look at stream %s: %w", a.h.p.From, err)
	}
	now, err := x.edit(ctx, a.h.p.From, old.Config, func(cfg config) { x.dropSource(cfg, a.h.p.To) })
	if err != nil {
		return nil, fmt.Errorf("end the standby of stream %s: %w", a.h.p.From, err)
	}
	if now.State.LastSeq == 0 {
		now.State = old.State
	}
	for _, name := range a.h.p.Consumers {
		c, err := a.h.c.consumer(ctx, a.h.p.From, name)
		if err != nil {
			return nil, err
		}
		if c == nil || c.Pending == 0 || !c.Paused {
			continue
		}
		last, err := x.last(ctx, a.h.p.From)
		if err != nil {
			return nil, err
		}
		if err := a.h.c.reset(ctx, e.Mine, a.h.p.From, name, last+1); err != nil {
			return nil, err
		}
	}
	return a.Observe(ctx)
}

// Undo cannot bring the standby back.
func (a *promote) Undo(ctx context.Context, e driver.Effect) error {
	now, err := a.Observe(ctx)
	if err != nil {
		return err
	}
	if same(now[a.h.fromID()]["sources"], e.Before[a.h.fromID()]["sources"]) {
		return nil
	}
	return &driver.Kept{
		What:   "stream " + a.h.p.From + " without its standby's copying",
		Cost:   "what stream " + a.h.p.To + " has got since is not in it",
		Fields: map[string][]string{a.h.fromID(): {"sources"}},
	}
}
