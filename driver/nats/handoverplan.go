package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/segue-run/segue/state"
)

// Survey reads all streams' subjects, sources and transforms, the two streams'
// limits and what they hold, and their consumers.
func (h *handover) Survey(ctx context.Context) (state.State, error) {
	all, err := h.c.leaders(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("%w, so who copies whom is not known", err)
	}
	out := state.State{}
	for _, info := range all {
		f := state.Fields{"exists": compact(true), "subjects": compact(info.subjects())}
		for _, key := range []string{"mirror", "subject_transform", "republish", "retention", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size", "discard", "num_replicas", "no_ack"} {
			if v, ok := info.Config[key]; ok && string(v) != "null" {
				f[key] = v
			}
		}
		if raw := info.Config["sources"]; raw != nil {
			f["sources-now"] = raw
		}
		f["messages"], f["bytes"] = compact(info.State.Messages), compact(info.State.Bytes)
		out[h.c.streamID(info.name())] = f
		if name := info.name(); name != h.p.From && name != h.p.To {
			continue
		}
		consumers, missing, err := h.c.consumers(ctx, info.name())
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("%s: consumers %s of stream %s do not answer: have they a leader?", h.c, quoted(missing), info.name())
		}
		for _, ci := range consumers {
			out[h.c.consumerID(info.name(), ci.Name)] = state.Fields{
				"exists": compact(true), "filters": compact(ci.filters()), "paused": compact(ci.Paused),
				"deliver": compact(word(ci.Config["deliver_policy"])), "push": compact(word(ci.Config["deliver_subject"]) != ""),
			}
		}
	}
	return out, nil
}

// Plan plans without knowing what else there is.
func (h *handover) Plan(before state.State) (state.State, error) {
	return h.PlanAmong(before, state.State{})
}

// PlanAmong refuses what would not be safe, all of it at once.
func (h *handover) PlanAmong(before, others state.State) (state.State, error) {
	from, to := before[h.fromID()], before[h.toID()]
	m := &move{c: h.c, p: moveParams{From: h.p.From, To: h.p.To}, moving: h.moving}
	switch {
	case !flag(from["exists"]):
		return nil, m.refuse(fmt.Sprintf("there is no stream %s (10059)", h.p.From), "the stream that has "+quoted(h.moving))
	case !flag(to["exists"]):
		return nil, m.refuse(fmt.Sprintf("there is no stream %s (10059)", h.p.To),
			fmt.Sprintf("a step before this one with nats.stream: {name: %s, closed: true, …}", h.p.To))
	}
	fromHas, toHas := list(from["subjects"]), list(to["subjects"])
	for _, s := range h.moving {
		if err := m.planSubject(s, fromHas, toHas); err != nil {
			return nil, err
		}
	}
	moved := len(minus(h.moving, toHas)) == 0
	if found := h.obstacles(before, others, moved); len(found) > 0 {
		var reasons, remedies []string
		for _, o := range found {
			reasons, remedies = append(reasons, o.Reason), append(remedies, o.Remedy)
		}
		return nil, m.refuse("a handover would not be safe here: "+strings.Join(reasons, "; "), strings.Join(remedies, "; "))
	}
	want := state.State{
		h.fromID(): {"exists": compact(true), "subjects": compact(minus(fromHas, h.moving)), "sources": compact(union(list(from["sources"]), []string{h.standby()}))},
		h.toID():   {"exists": compact(true), "subjects": compact(union(toHas, h.moving)), "sources": compact(minus(list(to["sources"]), []string{copying(h.p.From, h.moving)}))},
	}
	if moved { // by an earlier attempt, or by hand; after nats.promote there is no standby
		want[h.fromID()]["sources"] = orEmpty(from["sources"])
	}
	for _, name := range h.p.Consumers {
		if moved {
			for _, id := range []string{h.c.consumerID(h.p.From, name), h.c.consumerID(h.p.To, name)} {
				if before[id] != nil {
					want[id] = before[id]
				}
			}
			continue
		}
		want[h.c.consumerID(h.p.To, name)] = state.Fields{"exists": compact(true), "paused": compact(false)}
		if f := before[h.c.consumerID(h.p.From, name)]; flag(f["exists"]) {
			want[h.c.consumerID(h.p.From, name)] = state.Fields{"exists": compact(true), "paused": compact(true)}
		}
	}
	return want, nil
}

// standby is what the old stream copies until nats.promote.
func (h *handover) standby() string { return copying(h.p.To, h.moving) }

func orEmpty(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return compact([]string{})
	}
	return raw
}

// obstacles are the reasons for which a handover would not be safe.
func (h *handover) obstacles(before, others state.State, moved bool) []obstacle {
	var found []obstacle
	add := func(remedy, reason string, args ...any) {
		found = append(found, obstacle{Reason: fmt.Sprintf(reason, args...), Remedy: remedy})
	}
	if moved {
		return nil
	}
	if rest := minus(list(before[h.toID()]["subjects"]), h.moving); len(rest) > 0 {
		add("a closed stream", "stream %s owns %s, whose publishers would be without a duplicate window meanwhile", h.p.To, quoted(rest))
	}
	for _, id := range []string{h.fromID(), h.toID()} {
		h.streamObstacles(id, others[id], add)
	}
	h.limitObstacles(others[h.fromID()], others[h.toID()], add)
	for id, f := range others {
		if !strings.HasPrefix(id, h.c.streamID("")) {
			continue
		}
		h.dependent(id, f, add)
		h.consumerObstacles(id, f, add)
	}
	for _, name := range h.p.Consumers {
		if others[h.fromID()] != nil && !flag(others[h.c.consumerID(h.p.From, name)]["exists"]) {
			add("the durable that the workers are bound to, or none", "there is no consumer %s on stream %s (10014)", name, h.p.From)
		}
	}
	slices.SortFunc(found, func(a, b obstacle) int { return strings.Compare(a.Reason, b.Reason) })
	return found
}

func (h *handover) streamObstacles(id string, f state.Fields, add func(string, string, ...any)) {
	name := id[len(h.c.streamID("")):]
	x := h.forward(read)
	if f["mirror"] != nil {
		add("a stream that is none", "stream %s is a mirror", name)
	}
	if f["subject_transform"] != nil && !prefixed(config(f)) {
		add("take it away first", "stream %s has a transform of subjects of its own, and can have only one", name)
	}
	if f["republish"] != nil {
		add("take it away first", "stream %s republishes: the relay could hear messages twice", name)
	}
	if word(f["retention"]) != "" && word(f["retention"]) != "limits" {
		add("retention: limits", "stream %s has retention %s: copying would acknowledge, and so remove, its messages", name, word(f["retention"]))
	}
	if flag(f["no_ack"]) {
		add("no-ack: false", "stream %s does not acknowledge, so it cannot be probed", name)
	}
	for _, s := range x.sourceNames(config{"sources": f["sources-now"]}) {
		if s != h.p.From && s != h.p.To {
			add("take it away first", "stream %s copies %s of stream %s", name, quoted(h.moving), s)
		}
	}
	for _, s := range list(f["subjects"]) {
		if collide(s, x.prefix()+".>") {
			add("subjects that are listed", "stream %s takes %s, and so what the relay forwards", name, s)
		}
	}
}

// limitObstacles are limits by which the new stream would drop what it copies.
func (h *handover) limitObstacles(from, to state.Fields, add func(string, string, ...any)) {
	if from == nil || to == nil || h.p.History == "none" {
		return
	}
	for key, holds := range map[string]int64{"max_msgs": number(from["messages"]), "max_bytes": number(from["bytes"])} {
		if limit := planned(to, key, strings.ReplaceAll(key, "_", "-")); limit > 0 && limit < holds && h.p.History != "since" {
			add("a larger limit, or history: none", "stream %s takes %d (%s) and stream %s holds %d", h.p.To, limit, key, h.p.From, holds)
		}
	}
	if per, was := planned(to, "max_msgs_per_subject", "max-msgs-per-subject"), number(from["max_msgs_per_subject"]); per > 0 && (was <= 0 || per < was) {
		add("the old stream's limit", "stream %s keeps %d messages of a subject, fewer than stream %s", h.p.To, per, h.p.From)
	}
	if size, was := number(to["max_msg_size"]), number(from["max_msg_size"]); size > 0 && (was <= 0 || size < was) {
		add("the old stream's limit", "stream %s takes messages of %d bytes, smaller ones than stream %s", h.p.To, size, h.p.From)
	}
	if a, b := number(from["num_replicas"]), planned(to, "num_replicas", "replicas"); a != b && b > 0 {
		add(fmt.Sprintf("replicas: %d", a), "stream %s has %d replicas and stream %s has %d", h.p.From, a, h.p.To, b)
	}
}

// planned is a number of a stream that is there or, as a step before this one
// is to make it, one that is written in a runbook's way; 0 if it is not known
// yet: right before the handover it is looked at again.
func planned(f state.Fields, key, written string) int64 {
	if raw, ok := f[key]; ok {
		return number(raw)
	}
	return number(f[written])
}

// dependent finds streams that copy the space from one of the two.
func (h *handover) dependent(id string, f state.Fields, add func(string, string, ...any)) {
	name := id[len(h.c.streamID("")):]
	if strings.Contains(name, "/") || id == h.fromID() || id == h.toID() {
		return
	}
	x := h.forward(read)
	var mirror source
	_ = json.Unmarshal(f["mirror"], &mirror)
	of, _ := overlapping(mirror.covered(), h.moving)
	if mirror.Name == h.p.From && len(of) > 0 || slices.Contains(x.sourceNames(config{"sources": f["sources-now"]}), h.p.From) {
		add("have it copy the new stream, or end it", "stream %s copies %s of stream %s, which would end with nats.promote", name, quoted(h.moving), h.p.From)
	}
}

// consumerObstacles are consumers that would be served wrongly.
func (h *handover) consumerObstacles(id string, f state.Fields, add func(string, string, ...any)) {
	stream, name, isConsumer := strings.Cut(strings.TrimPrefix(id, h.c.streamID("")), "/consumer/")
	if !isConsumer {
		return
	}
	named := slices.Contains(h.p.Consumers, name)
	filters := list(f["filters"])
	switch {
	case stream == h.p.To && !named:
		add("leave it out until the handover is over", "stream %s has a consumer %s already: it would read what is still being put in order", stream, name)
	case stream == h.p.To:
		if d := word(f["deliver"]); d != "all" && d != "" { // "": as an earlier step makes it
			add("deliver: all", "consumer %s of stream %s delivers %s, and cannot be reset (10204)", name, stream, d)
		}
	case !named:
		if of, _ := overlapping(orAll(filters), h.moving); len(of) > 0 {
			add("name it in consumers, or narrow its filter", "consumer %s of stream %s reads %s and is not named in consumers", name, stream, quoted(of))
		}
	default:
		if word(f["deliver"]) != "all" {
			add("deliver: all", "consumer %s of stream %s delivers %s, and a copy of it could not be reset (10204)", name, stream, word(f["deliver"]))
		}
		if flag(f["push"]) {
			add("a pull consumer", "consumer %s of stream %s pushes, which was not tried", name, stream)
		}
		for _, filter := range orAll(filters) {
			if !slices.ContainsFunc(h.moving, func(s string) bool { return covers(s, filter) }) {
				add("a consumer for each", "consumer %s of stream %s reads %s too, which does not move", name, stream, filter)
			}
		}
	}
}

func orAll(filters []string) []string {
	if len(filters) == 0 {
		return []string{">"}
	}
	return filters
}
