package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// handover moves subjects from one live stream to another while publishers of
// every kind go on: a crossing from the old stream to the new one, then the
// consumers, then a hot standby: the old stream copies the new one, until
// nats.promote, so that going back loses nothing. See docs/adr/0012.
//
// It owns where its subjects are, who copies whom of them, and the durables of
// both streams that are named.
type handover struct {
	c      *Conn
	p      handoverParams
	moving []string // the subjects, as a set
	hooks  *hooks
}

type handoverParams struct {
	On          string         `param:"on,required,connection"`
	Subjects    []string       `param:"subjects,required" doc:"what is handed over, written as the old stream has it"`
	From        string         `param:"from,required" doc:"the stream that has the subjects"`
	To          string         `param:"to,required" doc:"the stream that gets them; it owns no others"`
	Consumers   []string       `param:"consumers" doc:"durables of the old stream whose workers read these subjects, and no others"`
	History     string         `param:"history" enum:"all|none|since" default:"all" doc:"what the new stream gets of the messages that are there"`
	Since       *time.Duration `param:"since" doc:"with history: since: how old a message may be to be copied"`
	DrainWithin *time.Duration `param:"drain-within" default:"1m" doc:"how long old workers may take to finish"`
}

func (p handoverParams) Validate() error {
	if err := (moveParams{Subjects: p.Subjects, From: p.From, To: p.To}).Validate(); err != nil {
		return err
	}
	for i, a := range p.Subjects {
		for _, b := range p.Subjects[i+1:] {
			if collide(a, b) {
				return &runbook.FieldError{Field: "subjects", Problem: a + " and " + b + " overlap each other", Remedy: "leave the narrower one out"}
			}
		}
	}
	if (p.History == "since") != (p.Since != nil) {
		return &runbook.FieldError{Field: "since", Problem: "it belongs to history: since", Remedy: "write both or neither"}
	}
	return nil
}

func newHandover(_ context.Context, c *Conn, p handoverParams) (driver.Action, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &handover{c: c, p: p, moving: sorted(p.Subjects)}, nil
}

func (h *handover) fromID() string { return h.c.streamID(h.p.From) }
func (h *handover) toID() string   { return h.c.streamID(h.p.To) }

func (h *handover) Resources() []driver.Resource {
	return (&move{c: h.c, p: moveParams{From: h.p.From, To: h.p.To}}).Resources()
}

// forward is the crossing to the new stream, back the one to the old one.
func (h *handover) forward(mine func() error) *crossing {
	return &crossing{c: h.c, giver: h.p.From, taker: h.p.To, space: h.moving, fresh: true, mine: mine, hooks: h.hooks}
}

func (h *handover) back(mine func() error) *crossing {
	return &crossing{c: h.c, giver: h.p.To, taker: h.p.From, space: h.moving, mine: mine, hooks: h.hooks}
}

// Observe shows the two streams' whole lists of subjects, as nats.stream does,
// and of what they copy. What a relay needs on them is nobody's to restore.
func (h *handover) Observe(ctx context.Context) (state.State, error) {
	out := state.State{}
	for _, name := range []string{h.p.From, h.p.To} {
		info, err := h.c.stream(ctx, name)
		if err != nil {
			return nil, err
		}
		f := state.Fields{"exists": compact(info != nil)}
		if info != nil {
			f["subjects"] = compact(info.subjects())
			f["sources"] = compact(sourceList(info.Config))
		}
		out[h.c.streamID(name)] = f
		if info == nil {
			continue // its consumers went with it
		}
		for _, durable := range h.p.Consumers {
			info, err := h.c.consumer(ctx, name, durable)
			if err != nil {
				return nil, err
			}
			f := state.Fields{"exists": compact(info != nil)}
			if info != nil {
				f["paused"] = compact(info.Paused)
			}
			out[h.c.consumerID(name, durable)] = f
		}
	}
	return out, nil
}

// sourceNames are the streams of which a configuration copies messages of the
// space.
func (x *crossing) sourceNames(cfg config) []string {
	var out []string
	for _, s := range sourcesOf(cfg) {
		if of, _ := overlapping(s.covered(), x.space); len(of) > 0 {
			out = append(out, s.Name)
		}
	}
	return sorted(out)
}

// Witness asks the owners themselves who they are.
func (h *handover) Witness(ctx context.Context, want state.State) error {
	return (&move{c: h.c, p: moveParams{From: h.p.From, To: h.p.To}, moving: h.moving}).Witness(ctx, want)
}

// voyage is handover's cursor: how far the way there has come, what was done
// after it, and how far the way back has come.
type voyage struct {
	// Seen is what the preflight saw, for people, and Cannot what cannot be
	// promised here.
	Seen    []string `json:"seen,omitempty"`
	Cannot  []string `json:"cannot,omitempty"`
	Forward leg      `json:"forward"`
	After   string   `json:"after,omitempty"` // drained, moved or standby
	// Drained is what the workers of each old durable had before them at the cut.
	Drained map[string]drainage `json:"drained,omitempty"`
	Back    leg                 `json:"back"`
}

// A drainage is what was finished on the old stream after the cut: messages that
// had not been delivered, such as a worker had taken and not acknowledged, it
// may be one that is dead, and how many deliveries were repeated for that.
type drainage struct {
	Pending        uint64  `json:"pending"`
	Unacknowledged uint64  `json:"unacknowledged"`
	Repeated       uint64  `json:"repeated_deliveries"`
	Took           float64 `json:"took_ms"`

	delivered uint64
}

const (
	afterDrained = "drained"
	afterMoved   = "moved"
	afterStandby = "standby"
)

func readVoyage(raw json.RawMessage) (voyage, error) {
	var v voyage
	if raw == nil {
		return v, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("cursor of nats.handover: %w", err)
	}
	return v, nil
}

func (v *voyage) past(after string) bool {
	order := []string{"", afterDrained, afterMoved, afterStandby}
	return slices.Index(order, v.After) >= slices.Index(order, after)
}
