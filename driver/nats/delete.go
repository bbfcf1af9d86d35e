package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/internal/disk"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// deletion takes a stream away for good, once nobody can miss it: it owns no
// subjects, its consumers have finished, no stream copies from it, and, if
// that is asked, a whole backup of it is there and no message came for a time.
type deletion struct {
	c   *Conn
	p   deleteParams
	dir string // the real path of backup; "" without
	id  string
}

type deleteParams struct {
	On      string         `param:"on,required,connection"`
	Stream  string         `param:"stream,required" doc:"it must own no subjects, and its consumers must have finished"`
	Backup  string         `param:"backup" doc:"a directory that nats.backup wrote to: a whole backup of all that the stream holds must be there"`
	IdleFor *time.Duration `param:"idle-for" doc:"no message that was not sourced may be younger than this"`
}

func (p deleteParams) Validate() error {
	if p.IdleFor != nil && *p.IdleFor <= 0 {
		return &runbook.FieldError{Field: "idle-for", Problem: "every stream is idle for no time", Remedy: "write how long, such as 14d, or leave it out"}
	}
	return validStream("stream", p.Stream)
}

func newDelete(_ context.Context, c *Conn, p deleteParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := &deletion{c: c, p: p, id: c.streamID(p.Stream)}
	if p.Backup != "" {
		var err error
		if a.dir, err = disk.Real(p.Backup); err != nil {
			return nil, fmt.Errorf("delete stream %s: %w", p.Stream, err)
		}
	}
	return a, nil
}

func (a *deletion) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "stream " + a.p.Stream + " on nats cluster " + a.c.cluster}}
}

// Loses implements driver.Irreversible. It asks what the stream holds now, and
// does without if there is no answer soon.
func (a *deletion) Loses() string {
	ctx, cancel := context.WithTimeout(context.Background(), attempt)
	defer cancel()
	info, err := a.c.stream(ctx, a.p.Stream)
	what := "stream " + a.p.Stream + " with all its messages and consumers"
	switch {
	case err != nil:
	case info == nil:
		what = "stream " + a.p.Stream + ", which is not there now"
	default:
		what = "stream " + a.p.Stream + ": " + holds(info)
	}
	if a.dir != "" {
		return what + "; a backup in " + a.dir + " must hold them"
	}
	return what + "; no backup is asked for"
}

// holds says what a stream holds, for people.
func holds(info *streamInfo) string {
	if info.State.Messages == 0 {
		return "no messages"
	}
	now := info.Now
	if now.IsZero() {
		now = time.Now()
	}
	return fmt.Sprintf("%d messages (%d to %d), the oldest %s old, the last %s", info.State.Messages, info.State.FirstSeq, info.State.LastSeq,
		old(now, info.State.FirstTime), old(now, info.State.LastTime))
}

func (a *deletion) Observe(ctx context.Context) (state.State, error) {
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	return a.state(info != nil), nil
}

func (a *deletion) state(exists bool) state.State {
	return state.State{a.id: {"exists": compact(exists)}}
}

// deleteCursor is what the stream held right before it was deleted.
type deleteCursor struct {
	Held   string `json:"held"`
	Backup string `json:"backup,omitempty"` // the name of its directory
}

func (a *deletion) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func (a *deletion) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return a.state(false), nil
	}
	if len(info.subjects()) == 0 && !mirrors(info.Config) {
		if _, err := a.c.stillness(ctx, info); err != nil {
			return nil, err
		}
	}
	found, kept, err := a.obstacles(ctx, info)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return nil, a.refuse(found)
	}
	if err := e.Save(ctx, deleteCursor{holds(info), kept}); err != nil {
		return nil, err
	}
	if err := a.c.deleteStream(ctx, e.Mine, a.p.Stream); err != nil {
		return nil, err
	}
	err = await(ctx, func() (bool, error) {
		info, err := a.c.stream(ctx, a.p.Stream)
		return info == nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: wait until stream %s is gone: %w", a.c, a.p.Stream, err)
	}
	return a.state(false), nil
}

// Undo cannot bring the stream back: it says what is gone, and how it could be
// had again.
func (a *deletion) Undo(ctx context.Context, e driver.Effect) error {
	if e.Cursor == nil {
		return nil
	}
	var cur deleteCursor
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of nats.delete: %w", err)
	}
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil || info != nil {
		return err
	}
	hint := "without a backup of nats.backup it cannot be had again"
	if cur.Backup != "" {
		hint = fmt.Sprintf("nats.restore: {on: %s, stream: %s, from: %q, backup: %s}", a.p.On, a.p.Stream, a.dir, cur.Backup)
	}
	return &driver.Kept{
		What:   "the cluster without stream " + a.p.Stream,
		Cost:   "it was deleted for good; it held " + cur.Held,
		Hint:   hint,
		Fields: map[string][]string{a.id: {"*"}},
	}
}

func (a *deletion) refuse(found []obstacle) error {
	var reasons, remedies []string
	for _, o := range found {
		reasons, remedies = append(reasons, o.Reason), append(remedies, o.Remedy)
	}
	return &driver.Refusal{System: a.c.String(), Reason: "stream " + a.p.Stream + " cannot go: " + strings.Join(reasons, "; "), Remedy: strings.Join(remedies, "; ")}
}
