package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// probe sends one marked message through and takes it away again.
//
// Its effect is that nothing is left behind: it owns whether its own message
// is there. That it was done shows only in what Apply returns (probed: true),
// as the world keeps no trace of it; Observe does not speak of it, so that it
// is always something to do and never drift. After a crash it is done again.
type probe struct {
	c  *Conn
	p  probeParams
	id string
}

type probeParams struct {
	On       string         `param:"on,required,connection"`
	Subject  string         `param:"subject,required" doc:"where the test message goes; no wildcards"`
	Payload  string         `param:"payload" doc:"what it says; real workers process it"`
	Stream   string         `param:"stream,required" doc:"the stream that must store it"`
	Consumer string         `param:"consumer" doc:"the durable that must acknowledge it"`
	Within   *time.Duration `param:"within" default:"10s"`
}

func (p probeParams) Validate() error {
	if concrete(p.Subject) != p.Subject || !validSubject(p.Subject) {
		return &runbook.FieldError{Field: "subject", Problem: "a message goes to one subject", Remedy: "write it without wildcards"}
	}
	return nil
}

func newProbe(_ context.Context, c *Conn, p probeParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &probe{c: c, p: p, id: c.streamID(p.Stream) + "/probe/" + p.Subject}, nil
}

// probeHeader marks the message; its value is in the cursor before it is sent.
const probeHeader = "Segue-Probe"

type probeCursor struct {
	ID    string `json:"id"`
	After uint64 `json:"after"` // the stream's last sequence before it was sent
}

func (a *probe) Resources() []driver.Resource {
	return []driver.Resource{{ID: a.id, Name: "test messages on " + a.p.Subject + " of stream " + a.p.Stream + " on nats cluster " + a.c.cluster}}
}

// Observe tells whether the last message on the subject is a probe's.
func (a *probe) Observe(ctx context.Context) (state.State, error) {
	m, err := a.c.message(ctx, a.p.Stream, map[string]any{"last_by_subj": a.p.Subject})
	if err != nil && !hasCode(err, errNoStream) {
		return nil, err
	}
	return a.state(m != nil && m.header(probeHeader) != "", false), nil
}

func (a *probe) state(left, probed bool) state.State {
	f := state.Fields{"left-behind": compact(left)}
	if probed {
		f["probed"] = compact(true)
	}
	return state.State{a.id: f}
}

func (a *probe) Plan(state.State) (state.State, error) { return a.state(false, true), nil }

func (a *probe) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func (a *probe) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	if err := a.clean(ctx, e); err != nil { // an attempt before this one
		return nil, err
	}
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, fmt.Errorf("%s: there is no stream %s to store the probe", a.c, a.p.Stream)
	}
	cur := probeCursor{ID: rand.Text(), After: info.State.LastSeq}
	if err := e.Save(ctx, cur); err != nil {
		return nil, err
	}
	e.Cursor = compact(cur)
	bounded, cancel := context.WithTimeoutCause(ctx, a.within(), fmt.Errorf("not within %s", a.within()))
	defer cancel()
	err = a.pass(bounded, e, cur.ID)
	if errors.Is(err, driver.ErrNotMine) {
		return nil, err
	}
	cleaning := ctx
	if ctx.Err() != nil {
		var stop context.CancelFunc
		cleaning, stop = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer stop()
	}
	if err := errors.Join(err, a.clean(cleaning, e)); err != nil {
		return nil, err
	}
	return a.state(false, true), nil
}

func (a *probe) within() time.Duration {
	if a.p.Within != nil {
		return *a.p.Within
	}
	return 10 * time.Second
}

// pass publishes the message and sees it stored and consumed.
func (a *probe) pass(ctx context.Context, e driver.Effect, id string) error {
	seq, err := a.publish(ctx, e, id)
	if err != nil {
		return fmt.Errorf("%s: probe %s: stream %s does not store it: %w", a.c, a.p.Subject, a.p.Stream, err)
	}
	if a.p.Consumer == "" {
		return nil
	}
	left := "there is no such consumer"
	err = await(ctx, func() (bool, error) {
		info, err := a.c.consumer(ctx, a.p.Stream, a.p.Consumer)
		if info != nil {
			left = info.left()
		}
		return err == nil && info != nil && (info.AckFloor.Stream >= seq || info.drained() && info.Delivered.Stream >= seq), err
	})
	if err != nil {
		return fmt.Errorf("%s: probe %s: stored as message %d of stream %s, but consumer %s has not acknowledged it (%s): %w",
			a.c, a.p.Subject, seq, a.p.Stream, a.p.Consumer, left, err)
	}
	return nil
}

// publish sends the message until the stream, and no other, has it.
func (a *probe) publish(ctx context.Context, e driver.Effect, id string) (uint64, error) {
	m := nats.NewMsg(a.p.Subject)
	m.Data = []byte(a.p.Payload)
	m.Header.Set(probeHeader, id)
	m.Header.Set(nats.MsgIdHdr, "segue-probe-"+id)
	m.Header.Set(nats.ExpectedStreamHdr, a.p.Stream)
	var last error
	for {
		if err := e.Mine(); err != nil {
			return 0, err
		}
		reply, err := a.c.askOnce(ctx, m)
		if err == nil {
			var ack struct {
				Stream string      `json:"stream"`
				Seq    uint64      `json:"seq"`
				Error  *replyError `json:"error"`
			}
			if err := json.Unmarshal(reply.Data, &ack); err != nil {
				return 0, fmt.Errorf("it is no stream that answers: %w", err)
			}
			if ack.Error != nil {
				return 0, ack.Error
			}
			return ack.Seq, nil
		}
		if ctx.Err() == nil {
			last = err
		}
		if err := sleep(ctx, again); err != nil {
			return 0, errors.Join(err, last)
		}
	}
}

// clean deletes the message that the cursor speaks of, if it is there.
func (a *probe) clean(ctx context.Context, e driver.Effect) error {
	if e.Cursor == nil {
		return nil
	}
	var cur probeCursor
	if err := json.Unmarshal(e.Cursor, &cur); err != nil {
		return fmt.Errorf("cursor of nats.probe: %w", err)
	}
	for seq := cur.After + 1; ; {
		m, err := a.c.message(ctx, a.p.Stream, map[string]any{"seq": seq, "next_by_subj": a.p.Subject})
		if hasCode(err, errNoStream) || err == nil && m == nil {
			return nil
		}
		if err != nil {
			return err
		}
		if m.header(probeHeader) == cur.ID {
			return a.c.deleteMessage(ctx, e.Mine, a.p.Stream, m.Seq)
		}
		seq = m.Seq + 1
	}
}

// Undo deletes the probe's own message if it is still there.
func (a *probe) Undo(ctx context.Context, e driver.Effect) error { return a.clean(ctx, e) }
