package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// promote ends the hot standby that a handover has left: the old stream copies
// the new one no more, and its durables have nothing left to deliver. Undone, it
// copies again from where it stopped: only what the new stream has let go of
// meanwhile by its own limits is not in it. It owns what the old stream copies of
// the subjects.
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
		f["sources"] = compact(sourceList(info.Config))
	}
	return state.State{a.h.fromID(): f}, nil
}

func (a *promote) Plan(before state.State) (state.State, error) {
	f := before[a.h.fromID()]
	if !flag(f["exists"]) {
		return nil, &driver.Refusal{System: a.h.c.String(), Reason: fmt.Sprintf("there is no stream %s (10059)", a.h.p.From), Remedy: "the old stream of a handover"}
	}
	left := minus(list(f["sources"]), []string{a.h.standby()})
	return state.State{a.h.fromID(): {"exists": compact(true), "sources": compact(left)}}, nil
}

func (a *promote) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// promoted is promote's cursor.
type promoted struct {
	// Source is the old stream's entry for the new one. The server goes on after
	// the last copy that came by an equal entry, whatever its opt_start_seq says.
	Source json.RawMessage `json:"source"`
	// Next is the new stream's first message that was not copied, once that is
	// sure.
	Next uint64 `json:"next,omitempty"`
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
	p, err := readPromoted(e.Cursor)
	if err != nil {
		return nil, err
	}
	if entry := x.entry(old.Config, a.h.p.To); entry != nil {
		p = promoted{Source: entry}
		if err := e.Save(ctx, p); err != nil {
			return nil, err
		}
	}
	if _, err := x.edit(ctx, a.h.p.From, old.Config, func(cfg config) { x.dropSource(cfg, a.h.p.To) }); err != nil {
		return nil, fmt.Errorf("end the standby of stream %s: %w", a.h.p.From, err)
	}
	if p.Source != nil && p.Next == 0 {
		_, at, err := x.behind(ctx)
		if err != nil {
			return nil, err
		}
		var s source
		_ = json.Unmarshal(p.Source, &s) // the server has read it
		p.Next = max(at+1, s.Start)
		if err := e.Save(ctx, p); err != nil {
			return nil, err
		}
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

// Undo makes the old stream a standby again, and waits until it is one.
func (a *promote) Undo(ctx context.Context, e driver.Effect) error {
	if !slices.Contains(list(e.Before[a.h.fromID()]["sources"]), a.h.standby()) {
		return nil // it was none
	}
	p, err := readPromoted(e.Cursor)
	if err != nil {
		return err
	}
	x := a.h.back(e.Mine)
	giver, taker, err := x.look(ctx)
	if err != nil {
		return err
	}
	if _, mutual := x.sourcing(giver.Config, x.taker); mutual {
		return fmt.Errorf("%s: stream %s copies stream %s: copying it back would multiply messages without end", x.c, x.giver, x.taker)
	}
	var kept *driver.Kept
	if x.entry(taker.Config, x.giver) == nil {
		if p.Source == nil {
			return fmt.Errorf("%s: stream %s copies stream %s no more, and how it did is not known", x.c, x.taker, x.giver)
		}
		lost := giver.State.FirstSeq - min(giver.State.FirstSeq, p.Next) // messages of other subjects count too
		if p.Next > 0 && lost > 0 {
			kept = &driver.Kept{
				What: "stream " + x.taker + " without what stream " + x.giver + " has let go of by its limits",
				Cost: fmt.Sprintf("up to %d messages since the standby ended are in neither", lost),
			}
		}
		if _, err := x.edit(ctx, x.taker, taker.Config, func(cfg config) { x.putEntry(cfg, p.Source) }); err != nil {
			return fmt.Errorf("make stream %s a standby of %s again: %w", x.taker, x.giver, err)
		}
	}
	if err := x.caughtUp(ctx); err != nil {
		return err
	}
	if kept != nil {
		return kept
	}
	return nil
}

func readPromoted(raw json.RawMessage) (promoted, error) {
	var p promoted
	if raw == nil {
		return p, nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("cursor of nats.promote: %w", err)
	}
	return p, nil
}
