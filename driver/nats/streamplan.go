package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// Survey reads the subjects of all streams in the account, how much this
// stream holds, and how many nodes the cluster has.
func (a *streamAction) Survey(ctx context.Context) (state.State, error) {
	out, err := a.c.survey(ctx)
	if err != nil {
		return nil, err
	}
	if info, err := a.c.stream(ctx, a.p.Name); err != nil {
		return nil, err
	} else if info != nil {
		out[a.id] = state.Fields{
			"messages": compact(info.State.Messages),
			"bytes":    compact(info.State.Bytes),
			"oldest":   compact(tidy(age(info.State))),
		}
	}
	nodes, err := a.c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	if nodes > 0 {
		out[kind+":"+a.c.cluster] = state.Fields{"nodes": compact(nodes)}
	}
	return out, nil
}

func age(s streamState) time.Duration {
	if s.Messages == 0 {
		return 0
	}
	return time.Since(s.FirstTime).Truncate(time.Second)
}

// survey reads the subjects of all streams, and what else decides whether
// messages can move between them.
func (c *Conn) survey(ctx context.Context) (state.State, error) {
	return c.surveyBut(ctx, "")
}

// surveyBut is survey, which does without one stream's leader.
func (c *Conn) surveyBut(ctx context.Context, stream string) (state.State, error) {
	all, err := c.leaders(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("%w, so their subjects are not known", err)
	}
	out := state.State{}
	for _, info := range all {
		f := state.Fields{"exists": compact(true), "subjects": compact(info.subjects())}
		for _, key := range []string{"sources", "mirror", "subject_transform"} {
			if v, ok := info.Config[key]; ok && string(v) != "null" {
				f[key] = v
			}
		}
		out[c.streamID(info.name())] = f
	}
	return out, nil
}

// Plan plans without knowing other streams.
func (a *streamAction) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{})
}

// PlanAmong refuses what JetStream would refuse or silently change, and what
// could not be undone.
func (a *streamAction) PlanAmong(before, others state.State) (state.State, error) {
	was := before[a.id]
	want := maps.Clone(a.fields)
	want["exists"] = compact(true)
	exists := flag(was["exists"])
	if err := a.planSubjects(exists, was, others); err != nil {
		return nil, err
	}
	if n, ok := want["replicas"]; ok {
		if nodes := number(others[kind+":"+a.c.cluster]["nodes"]); nodes > 0 && number(n) > nodes && !(exists && same(n, was["replicas"])) {
			return nil, a.refuse(fmt.Sprintf("stream %s wants %d replicas and the cluster has %d nodes (10074)", a.p.Name, number(n), nodes),
				fmt.Sprintf("replicas: %d", nodes))
		}
	}
	if exists {
		if err := a.planChange(was, want, others[a.id]); err != nil {
			return nil, err
		}
	}
	return state.State{a.id: want}, nil
}

func (a *streamAction) planSubjects(exists bool, was state.Fields, others state.State) error {
	raw, owned := a.fields["subjects"]
	if !owned {
		if exists {
			return nil
		}
		return a.refuse("stream "+a.p.Name+" does not exist yet, and one that is created without subjects silently gets its own name as subject",
			"subjects: […], or closed: true for none of its own")
	}
	added := list(raw)
	if exists {
		added = minus(added, list(was["subjects"]))
	}
	for id, f := range others {
		if id == a.id || f["subjects"] == nil || len(added) == 0 {
			continue
		}
		of, with := overlapping(added, list(f["subjects"]))
		if len(of) == 0 {
			continue
		}
		other := id[len(a.c.streamID("")):]
		return a.refuse(
			fmt.Sprintf("JetStream refuses that stream %s takes %s: the subjects overlap with %s of stream %s (10065)", a.p.Name, quoted(of), quoted(with), other),
			fmt.Sprintf("create %s with closed: true, then hand %s over with nats.move: {subjects: [%s], from: %s, to: %s}", a.p.Name, quoted(with), quoted(with), other, a.p.Name))
	}
	return nil
}

// planChange refuses changes of an existing stream that JetStream does not
// make, that cannot be made back, or that would throw messages away.
func (a *streamAction) planChange(was, want, holds state.Fields) error {
	for _, s := range streamSettings() {
		v, given := want[s.name]
		if !given || same(was[s.name], v) {
			continue
		}
		change := fmt.Sprintf("%s of stream %s: %s → %s", s.name, a.p.Name, was[s.name], v)
		if s.fixed {
			return a.refuse(change+": JetStream refuses this change, or its way back",
				fmt.Sprintf("%s: %s, or a new stream and nats.move", s.name, was[s.name]))
		}
		if loses(s.name, v, holds) {
			return a.refuse(fmt.Sprintf("%s would throw messages away (it holds %d, %d bytes, the oldest %s old)",
				change, number(holds["messages"]), number(holds["bytes"]), word(holds["oldest"])),
				fmt.Sprintf("%s: %s, or first nats.purge what may go", s.name, was[s.name]))
		}
	}
	return nil
}

// loses reports whether a limit is below what the stream holds.
func loses(name string, v json.RawMessage, holds state.Fields) bool {
	messages := number(holds["messages"])
	if messages == 0 {
		return false
	}
	switch name {
	case "max-msgs":
		return number(v) > 0 && number(v) < messages
	case "max-msgs-per-subject":
		return number(v) > 0
	case "max-bytes":
		return number(v) > 0 && number(v) < number(holds["bytes"])
	case "max-age":
		limit, err := untidy(v)
		oldest, err2 := untidy(holds["oldest"])
		return err == nil && err2 == nil && limit > 0 && limit < oldest
	}
	return false
}

func (a *streamAction) refuse(reason, remedy string) error {
	return &driver.Refusal{System: a.c.String(), Reason: reason, Remedy: remedy}
}

func list(raw json.RawMessage) []string {
	var out []string
	_ = json.Unmarshal(raw, &out)
	return out
}

func flag(raw json.RawMessage) bool {
	var b bool
	_ = json.Unmarshal(raw, &b)
	return b
}
