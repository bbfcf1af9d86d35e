package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/segue-run/segue/state"
)

// obstacle is something for which a stream must not be deleted now.
type obstacle struct {
	Of     string `json:"of"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

const (
	ofSubjects  = "subjects"
	ofConsumers = "consumers"
	ofReaders   = "readers"
	ofBackup    = "backup"
	ofMessages  = "messages"
)

// Survey reads what is in the way of the deletion now. Where an earlier step
// will have changed that, PlanAmong does without.
func (a *deletion) Survey(ctx context.Context) (state.State, error) {
	info, err := a.c.stream(ctx, a.p.Stream)
	if err != nil || info == nil {
		return state.State{}, err
	}
	found, _, err := a.obstacles(ctx, info)
	if err != nil {
		return nil, err
	}
	return state.State{a.id: {"subjects": compact(info.subjects()), "subjects-now": compact(info.subjects()), "obstacles": compact(found)}}, nil
}

// Plan plans without knowing what is in the way.
func (a *deletion) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{})
}

// PlanAmong refuses to delete what somebody may still need. What a stream's
// last move brings about (consumers that finish, messages that grow old) lies
// ahead in a plan in which it is yet to move: it is looked at when the step
// begins. The same goes for a backup that a step before this one takes.
func (a *deletion) PlanAmong(before, others state.State) (state.State, error) {
	if !flag(before[a.id]["exists"]) {
		return a.state(false), nil
	}
	var found, stay []obstacle
	if raw := others[a.id]["obstacles"]; raw != nil {
		if err := json.Unmarshal(raw, &found); err != nil {
			return nil, fmt.Errorf("what is in the way of deleting stream %s: %w", a.p.Stream, err)
		}
	}
	closing := len(list(others[a.id]["subjects"])) == 0 && len(list(others[a.id]["subjects-now"])) > 0
	saving := a.dir != "" && flag(others[backupID(a.dir, a.p.Stream)]["backup"])
	for _, o := range found {
		if closing && o.Of != ofReaders || saving && o.Of == ofBackup {
			continue
		}
		stay = append(stay, o)
	}
	if len(stay) > 0 {
		return nil, a.refuse(stay)
	}
	return a.state(false), nil
}

// obstacles looks at all of them; kept is the backup that holds the stream.
func (a *deletion) obstacles(ctx context.Context, info *streamInfo) (found []obstacle, kept string, err error) {
	found = []obstacle{}
	if s := info.subjects(); len(s) > 0 {
		found = append(found, obstacle{
			ofSubjects, "it has the subjects " + quoted(s),
			fmt.Sprintf("nats.move them to another stream, or nats.stream: {name: %s, closed: true}", a.p.Stream),
		})
	}
	for _, look := range []func(context.Context, *streamInfo) (*obstacle, error){a.consumers, a.readers, a.messages} {
		o, err := look(ctx, info)
		if err != nil {
			return nil, "", err
		}
		if o != nil {
			found = append(found, *o)
		}
	}
	kept, o, err := a.backup(ctx, info)
	if err != nil {
		return nil, "", err
	}
	if o != nil {
		found = append(found, *o)
	}
	return found, kept, nil
}

func (a *deletion) consumers(ctx context.Context, _ *streamInfo) (*obstacle, error) {
	all, missing, err := a.c.consumers(ctx, a.p.Stream)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: the leaders of consumers %s of stream %s do not answer, so it is not known whether they have finished", a.c, quoted(missing), a.p.Stream)
	}
	var busy, names []string
	for i := range all {
		name, left := all[i].Name, all[i].left()
		if all[i].drained() {
			// Its leader may not have heard of the last messages.
			done, now, err := a.c.finished(ctx, a.p.Stream, name, nil)
			if err != nil {
				return nil, err
			}
			if done {
				continue
			}
			if left = now.left(); now.drained() {
				left = fmt.Sprintf("got to message %d and not to the last", now.Delivered.Stream)
			}
		}
		busy, names = append(busy, "consumer "+name+" has "+left), append(names, name)
	}
	if len(busy) == 0 {
		return nil, nil //nolint:nilnil // nothing in the way
	}
	return &obstacle{
		ofConsumers, strings.Join(busy, "; "),
		fmt.Sprintf("let the workers of %s finish (nats.drained waits for that), or nats consumer rm %s NAME if nobody needs it", quoted(names), a.p.Stream),
	}, nil
}

// readers are the streams that copy from this one.
func (a *deletion) readers(ctx context.Context, _ *streamInfo) (*obstacle, error) {
	all, err := a.c.leaders(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("%w, so it is not known whether they copy from %s", err, a.p.Stream)
	}
	var names []string
	for i := range all {
		if all[i].copies(a.p.Stream) {
			names = append(names, all[i].name())
		}
	}
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // nothing in the way
	}
	return &obstacle{ofReaders, "stream " + quoted(names) + " copies from it (sources or mirror)", "take it out of their sources, or let them go first"}, nil
}

// copies reports whether a stream sources or mirrors another of its account.
func (i *streamInfo) copies(from string) bool {
	type source struct {
		Name     string `json:"name"`
		External *struct {
			API string `json:"api"`
		} `json:"external"`
	}
	var all []source
	_ = json.Unmarshal(i.Config["sources"], &all)
	if mirrors(i.Config) {
		var m source
		_ = json.Unmarshal(i.Config["mirror"], &m)
		all = append(all, m)
	}
	for _, s := range all {
		if s.Name == from && (s.External == nil || s.External.API == "" || s.External.API == "$JS.API") {
			return true
		}
	}
	return false
}

func (a *deletion) messages(ctx context.Context, _ *streamInfo) (*obstacle, error) {
	if a.p.IdleFor == nil {
		return nil, nil //nolint:nilnil // nothing is asked
	}
	q := quiet{c: a.c, stream: a.p.Stream}
	l, err := q.within(ctx, *a.p.IdleFor)
	if err != nil {
		return nil, err
	}
	if l.own == "" && l.unsure == "" {
		return nil, nil //nolint:nilnil // nothing in the way
	}
	return &obstacle{
		ofMessages, cmp.Or(l.own, l.unsure) + ", and it must be idle for " + tidy(*a.p.IdleFor),
		"find out who publishes; a gate with nats.idle: {for: " + tidy(*a.p.IdleFor) + "} waits for it",
	}, nil
}

func (a *deletion) backup(ctx context.Context, info *streamInfo) (string, *obstacle, error) {
	if a.dir == "" {
		return "", nil, nil
	}
	remedy := fmt.Sprintf("a step before this one with nats.backup: {stream: %s, to: %q, fresh: 0s}", a.p.Stream, a.p.Backup)
	b, damaged, err := newest(ctx, a.dir, a.p.Stream, func(m *manifest) bool { return a.c.own(m) && m.Created.Equal(info.Created) })
	switch {
	case err != nil:
		return "", nil, err
	case len(damaged) > 0:
		return "", &obstacle{ofBackup, "its backup in " + a.dir + " is damaged: " + strings.Join(damaged, "; "), remedy}, nil
	case b == nil:
		return "", &obstacle{ofBackup, "there is no whole backup of it in " + a.dir, remedy}, nil
	case b.LastSeq != info.State.LastSeq:
		return "", &obstacle{ofBackup, fmt.Sprintf("its newest backup %s ends at message %d, and its last message is %d", b.name(), b.LastSeq, info.State.LastSeq), remedy}, nil
	case b.Messages < info.State.Messages:
		return "", &obstacle{ofBackup, fmt.Sprintf("its newest backup %s has %d messages, and it holds %d", b.name(), b.Messages, info.State.Messages), remedy}, nil
	}
	return b.name(), nil, nil
}
