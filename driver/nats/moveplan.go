package nats

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// Survey reads all streams' subjects and sources, and the old durables.
func (m *move) Survey(ctx context.Context) (state.State, error) {
	out, err := m.c.survey(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range m.p.Consumers {
		info, err := m.c.consumer(ctx, m.p.From, name)
		if err != nil {
			return nil, err
		}
		f := state.Fields{"exists": compact(info != nil)}
		if info != nil {
			f["deliver"] = compact(word(info.Config["deliver_policy"]))
		}
		out[m.c.consumerID(m.p.From, name)] = f
	}
	return out, nil
}

// Plan plans without knowing the old durables.
func (m *move) Plan(before state.State) (state.State, error) {
	others := state.State{}
	for _, name := range m.p.Consumers {
		others[m.c.consumerID(m.p.From, name)] = state.Fields{"exists": compact(true)}
	}
	return m.PlanAmong(before, others)
}

// PlanAmong refuses what would fail half-way, or process messages twice.
func (m *move) PlanAmong(before, others state.State) (state.State, error) {
	from, to := before[m.fromID()], before[m.toID()]
	if !flag(from["exists"]) {
		return nil, m.refuse(fmt.Sprintf("there is no stream %s (10059)", m.p.From), "the stream that has "+quoted(m.moving))
	}
	if !flag(to["exists"]) {
		return nil, m.refuse(fmt.Sprintf("there is no stream %s (10059)", m.p.To),
			fmt.Sprintf("a step before this one with nats.stream: {name: %s, closed: true, …}", m.p.To))
	}
	fromHas, toHas := list(from["subjects"]), list(to["subjects"])
	for _, s := range m.moving {
		if err := m.planSubject(s, fromHas, toHas); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{m.p.From, m.p.To} {
		if err := m.planSources(name, others[m.c.streamID(name)]); err != nil {
			return nil, err
		}
	}
	want := state.State{
		m.fromID(): {"exists": compact(true), "subjects": compact(minus(fromHas, m.moving))},
		m.toID():   {"exists": compact(true), "subjects": compact(union(toHas, m.moving))},
	}
	for _, name := range m.p.Consumers {
		if err := m.planConsumer(name, before, others); err != nil {
			return nil, err
		}
		want[m.consumerID(name)] = state.Fields{"exists": compact(true), "paused": compact(false)}
	}
	return want, nil
}

func (m *move) planSubject(s string, fromHas, toHas []string) error {
	if slices.Contains(toHas, s) {
		return nil // it has moved
	}
	if of, with := overlapping([]string{s}, toHas); len(of) > 0 {
		return m.refuse(fmt.Sprintf("stream %s already has %s, which overlaps with %s", m.p.To, quoted(with), s),
			"a stream that does not have it, or other subjects")
	}
	if slices.Contains(fromHas, s) {
		return nil
	}
	for _, has := range fromHas {
		if covers(has, s) {
			return m.refuse(fmt.Sprintf("stream %s has %s and not %s: JetStream cannot take a part out of a pattern", m.p.From, has, s),
				"subjects: ["+has+"]")
		}
	}
	if of, with := overlapping([]string{s}, fromHas); len(of) > 0 {
		return m.refuse(fmt.Sprintf("stream %s has only parts of %s", m.p.From, s), "subjects: ["+quoted(with)+"]")
	}
	return m.refuse(fmt.Sprintf("stream %s does not have %s; it has %s", m.p.From, s, cmp.Or(quoted(fromHas), "no subjects")), "subjects that it has")
}

// planSources refuses streams that copy: a sourced message would be in both.
func (m *move) planSources(name string, f state.Fields) error {
	for _, key := range []string{"sources", "mirror", "subject_transform"} {
		if v, ok := f[key]; ok && string(v) != "[]" {
			return m.refuse(fmt.Sprintf("stream %s has %s: a plain move beside that would leave messages in both streams", name, strings.ReplaceAll(key, "_", " ")),
				"take it away first, or hand over with nats.handover")
		}
	}
	return nil
}

func (m *move) planConsumer(name string, before, others state.State) error {
	if flag(before[m.consumerID(name)]["exists"]) {
		return nil
	}
	old := others[m.c.consumerID(m.p.From, name)]
	if !flag(old["exists"]) {
		return m.refuse(fmt.Sprintf("there is no consumer %s on stream %s, nor on %s (10014)", name, m.p.From, m.p.To),
			"the durable that the workers are bound to, or none")
	}
	if policy := word(old["deliver"]); policy == "by_start_sequence" {
		return m.refuse(fmt.Sprintf("consumer %s starts at a sequence of stream %s, which means another message on %s", name, m.p.From, m.p.To),
			fmt.Sprintf("a step before this one that creates it with nats.consumer: {stream: %s, name: %s, …}", m.p.To, name))
	}
	return nil
}

func (m *move) refuse(reason, remedy string) error {
	return &driver.Refusal{System: m.c.String(), Reason: reason, Remedy: remedy}
}
