package nats

import (
	"context"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// move takes subjects from one stream to another.
//
//	prepare  each durable exists on the new stream, with the old one's
//	         configuration, paused, and starts after what is there already
//	switch   the old stream drops the subjects, the new one takes them
//	drain    old workers finish what the old stream holds
//	resume   the new durables deliver: so order per subject is kept
//
// Between the two halves of switch nobody owns the subjects, for a few
// milliseconds: publishers must retry. Whatever is found after a crash, the
// subjects get an owner first.
//
// It owns where its subjects are, the existence of the durables on the new
// stream and whether they are paused. The state shows the streams' whole
// subject lists, as nats.stream does, so that plans of several steps fit
// together; but it writes only its own subjects.
type move struct {
	c      *Conn
	p      moveParams
	moving []string // the subjects, as a set
}

type moveParams struct {
	On          string         `param:"on,required,connection"`
	Subjects    []string       `param:"subjects,required" doc:"what moves, written as the old stream has it"`
	From        string         `param:"from,required" doc:"the stream that has the subjects"`
	To          string         `param:"to,required" doc:"the stream that gets them"`
	Consumers   []string       `param:"consumers" doc:"durables of the old stream whose workers read these subjects"`
	DrainWithin *time.Duration `param:"drain-within" default:"1m" doc:"how long old workers may take to finish"`
}

func (p moveParams) Validate() error {
	switch {
	case len(p.Subjects) == 0:
		return &runbook.FieldError{Field: "subjects", Problem: "nothing moves", Remedy: "list the subjects as the old stream has them"}
	case p.From == p.To:
		return &runbook.FieldError{Field: "to", Problem: "it is the stream that the subjects are on already", Remedy: "name another stream"}
	}
	for _, s := range p.Subjects {
		if !validSubject(s) {
			return &runbook.FieldError{Field: "subjects", Problem: "\"" + s + "\" is not a subject", Remedy: "write tokens with dots between, such as vendor.>"}
		}
	}
	return nil
}

const (
	defaultDrain = time.Minute
	// selfHeal is when a durable that move paused delivers again if no segue
	// comes back to resume it: late order is better than no service.
	selfHeal = 5 * time.Minute
	// undoDrain is how long Undo waits for workers to finish what the new
	// stream holds, before it reports what is left.
	undoDrain = 3 * time.Second
)

func newMove(_ context.Context, c *Conn, p moveParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &move{c: c, p: p, moving: sorted(p.Subjects)}, nil
}

func (m *move) fromID() string             { return m.c.streamID(m.p.From) }
func (m *move) toID() string               { return m.c.streamID(m.p.To) }
func (m *move) consumerID(n string) string { return m.c.consumerID(m.p.To, n) }

func (m *move) drainWithin() time.Duration {
	if m.p.DrainWithin != nil {
		return *m.p.DrainWithin
	}
	return defaultDrain
}

func (m *move) Resources() []driver.Resource {
	at := " on nats cluster " + m.c.cluster
	return []driver.Resource{
		{ID: m.fromID(), Name: "stream " + m.p.From + at},
		{ID: m.toID(), Name: "stream " + m.p.To + at},
	}
}

func (m *move) Observe(ctx context.Context) (state.State, error) {
	out := state.State{}
	for _, name := range []string{m.p.From, m.p.To} {
		info, err := m.c.stream(ctx, name)
		if err != nil {
			return nil, err
		}
		f := state.Fields{"exists": compact(info != nil)}
		if info != nil {
			f["subjects"] = compact(info.subjects())
		}
		out[m.c.streamID(name)] = f
	}
	for _, name := range m.p.Consumers {
		info, err := m.c.consumer(ctx, m.p.To, name)
		if err != nil {
			return nil, err
		}
		f := state.Fields{"exists": compact(info != nil)}
		if info != nil {
			f["paused"] = compact(info.Paused)
		}
		out[m.consumerID(name)] = f
	}
	return out, nil
}

// Witness asks the owners themselves, not their configuration: a fence on a
// subject of each moved pattern must be answered by the stream that want
// names.
func (m *move) Witness(ctx context.Context, want state.State) error {
	for _, s := range m.moving {
		owner := ""
		for _, name := range []string{m.p.From, m.p.To} {
			if slices.Contains(list(want[m.c.streamID(name)]["subjects"]), s) {
				owner = name
			}
		}
		if err := m.c.expectOwner(ctx, s, owner); err != nil {
			return err
		}
	}
	return nil
}
