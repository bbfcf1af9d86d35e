package nats

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// purge removes messages for good: those that are there when it starts, and
// none that arrive later. It owns the number of matching messages, and shows
// it only while there are some: what arrives afterwards is nobody's drift.
type purge struct {
	c  *Conn
	p  purgeParams
	id string
}

type purgeParams struct {
	On         string `param:"on,required,connection"`
	Stream     string `param:"stream,required"`
	Subject    string `param:"subject" doc:"only messages on it; wildcards are allowed"`
	Everything bool   `param:"everything" doc:"true: the whole stream"`
}

func (p purgeParams) Validate() error {
	switch {
	case p.Everything == (p.Subject != ""):
		return &runbook.FieldError{Field: "subject", Problem: "what is to be purged must be said", Remedy: "write a subject, or everything: true for the whole stream"}
	case p.Subject != "" && !validSubject(p.Subject):
		return &runbook.FieldError{Field: "subject", Problem: "\"" + p.Subject + "\" is not a subject", Remedy: "write tokens with dots between, such as dlq.test.>"}
	}
	return nil
}

func newPurge(_ context.Context, c *Conn, p purgeParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &purge{c: c, p: p, id: c.streamID(p.Stream) + "/messages/" + p.subject()}, nil
}

func (p purgeParams) subject() string {
	if p.Everything {
		return ">"
	}
	return p.Subject
}

func (a *purge) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "messages on " + a.p.subject() + " of stream " + a.p.Stream + " on nats cluster " + a.c.cluster}}
}

// Loses implements driver.Irreversible.
func (a *purge) Loses() string {
	return fmt.Sprintf("all messages on %s that stream %s holds when the step starts", a.p.subject(), a.p.Stream)
}

func (a *purge) Observe(ctx context.Context) (state.State, error) {
	n, _, err := a.held(ctx)
	if err != nil {
		return nil, err
	}
	return a.state(n), nil
}

func (a *purge) state(n uint64) state.State {
	if n == 0 {
		return state.State{a.id: {}}
	}
	return state.State{a.id: {"messages": compact(n)}}
}

// held counts the matching messages; last is the stream's last sequence.
func (a *purge) held(ctx context.Context) (n, last uint64, err error) {
	var info struct {
		State struct {
			LastSeq  uint64            `json:"last_seq"`
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
	}
	offset := 0
	for {
		req := map[string]any{"subjects_filter": a.p.subject(), "offset": offset}
		info.State.Subjects = nil
		err := a.c.ask(ctx, "$JS.API.STREAM.INFO."+a.p.Stream, req, &info)
		if hasCode(err, errNoStream) {
			return 0, 0, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("count the messages on %s of stream %s: %w", a.p.subject(), a.p.Stream, err)
		}
		for _, count := range info.State.Subjects {
			n += count
		}
		if len(info.State.Subjects) == 0 {
			return n, info.State.LastSeq, nil
		}
		offset += len(info.State.Subjects)
	}
}

func (a *purge) Plan(before state.State) (state.State, error) {
	if _, some := before[a.id]["messages"]; !some {
		return before, nil
	}
	return a.state(0), nil
}

func (a *purge) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// purgeCursor is the last sequence that may go, fixed before anything goes.
type purgeCursor struct {
	UpTo uint64 `json:"up_to"`
}

func (a *purge) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	var cur purgeCursor
	n, last, err := a.held(ctx)
	if err != nil {
		return nil, err
	}
	if e.Cursor == nil {
		if n == 0 {
			return a.state(0), nil
		}
		cur.UpTo = last
		if err := e.Save(ctx, cur); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return nil, fmt.Errorf("cursor of nats.purge: %w", err)
	}
	if n > 0 {
		req := map[string]any{"seq": cur.UpTo + 1, "filter": a.p.subject()}
		if err := a.c.tell(ctx, e.Mine, "$JS.API.STREAM.PURGE."+a.p.Stream, req, nil); err != nil {
			return nil, fmt.Errorf("purge %s of stream %s up to message %d: %w", a.p.subject(), a.p.Stream, cur.UpTo, err)
		}
	}
	return a.Observe(ctx)
}

// Undo cannot bring anything back: it reports what is gone.
func (a *purge) Undo(_ context.Context, e driver.Effect) error {
	if e.Cursor == nil {
		return nil
	}
	return &driver.Kept{
		What:   fmt.Sprintf("stream %s without its messages on %s", a.p.Stream, a.p.subject()),
		Cost:   fmt.Sprintf("%d messages were purged for good", number(e.Before[a.id]["messages"])),
		Fields: map[string][]string{a.id: {"*"}},
	}
}
