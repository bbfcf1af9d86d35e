package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// restoreAll brings back the streams that a dump of the account has, each as
// nats.restore does, with its consumers. It owns which streams were restored, and
// from what.
type restoreAll struct {
	c    *Conn
	from driver.Dumps
	only []string // all that the dump has, if empty
}

var _ driver.Returner = (*Conn)(nil)

// Returning implements driver.Returner.
func (c *Conn) Returning(_ context.Context, from driver.Dumps, only []string) (driver.Action, error) {
	for _, stream := range only {
		if err := validStream("only", stream); err != nil {
			return nil, err
		}
	}
	return &restoreAll{c, from, sorted(only)}, nil
}

// account is the identity of all streams.
func (a *restoreAll) account() string { return kind + ":" + a.c.cluster + "/" + a.c.account }

// Resources implements driver.Action.
func (a *restoreAll) Resources() []driver.Resource {
	if len(a.only) == 0 {
		return []driver.Resource{{ID: a.account(), Name: "streams of account " + a.c.account + " on nats cluster " + a.c.cluster}}
	}
	var out []driver.Resource
	for _, stream := range a.only {
		out = append(out, driver.Resource{ID: a.c.streamID(stream), Name: "stream " + stream + " on nats cluster " + a.c.cluster})
	}
	return out
}

// Observe implements driver.Action. Streams that were restored show from what, and
// those that would be, that they were not.
func (a *restoreAll) Observe(ctx context.Context) (state.State, error) {
	out := state.State{}
	names := a.only
	if len(names) == 0 {
		there, err := a.c.streamNames(ctx)
		if err != nil {
			return nil, err
		}
		d, err := a.find(ctx)
		if err != nil {
			return nil, err
		}
		for stream := range d.Streams {
			out[a.c.streamID(stream)] = state.Fields{"restored": compact("")}
		}
		names = there
	}
	for _, name := range names {
		info, err := a.c.stream(ctx, name)
		if err != nil {
			return nil, err
		}
		marks := map[string]string{}
		if info != nil {
			marks = info.metadata()
		}
		id := a.c.streamID(name)
		if marks[restoredKey] != "" || len(a.only) > 0 {
			out[id] = state.Fields{"restored": compact(marks[restoredKey])}
		}
		if half := marks[restoringKey]; half != "" {
			out[id] = state.Fields{"restored": compact(""), "restoring": compact(half)}
		}
	}
	return out, nil
}

// one is the restore of one stream of a dump.
func (a *restoreAll) one(dir, stream, backup string) *restore {
	return &restore{c: a.c, p: restoreParams{Stream: stream, From: dir, Backup: backup}, dir: dir, id: a.c.streamID(stream)}
}

// Resume implements driver.Resumable.
func (a *restoreAll) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

// each calls f for each stream that the effect restores, in order.
func (a *restoreAll) each(e driver.Effect, f func(stream, backup string) error) error {
	for _, id := range slices.Sorted(maps.Keys(e.Want)) {
		backup := word(e.Want[id]["restored"])
		if backup == "" || backup == word(e.Before[id]["restored"]) {
			continue
		}
		if err := f(strings.TrimPrefix(id, a.c.streamID("")), backup); err != nil {
			return err
		}
	}
	return nil
}

// effect is that of one stream's restore, whose cursor is a part of the whole's.
func (a *restoreAll) effect(e driver.Effect, r *restore, cur map[string]json.RawMessage) driver.Effect {
	before := state.Fields{"exists": compact(false)}
	if half := e.Before[r.id]["restoring"]; half != nil {
		before = state.Fields{"exists": compact(true), "restoring": half}
	}
	one := driver.Effect{Before: state.State{r.id: before}, Want: state.State{r.id: e.Want[r.id]}, Cursor: cur[r.p.Stream], Mine: e.Mine}
	one.Save = func(ctx context.Context, cursor any) error {
		raw, err := json.Marshal(cursor)
		if err != nil {
			return err
		}
		cur[r.p.Stream] = raw
		return e.Save(ctx, cur)
	}
	return one
}

func cursors(raw json.RawMessage) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if raw == nil {
		return out, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("cursor of the restore of streams: %w", err)
	}
	return out, nil
}

// Apply implements driver.Action.
func (a *restoreAll) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	cur, err := cursors(e.Cursor)
	if err != nil {
		return nil, err
	}
	var done []string
	err = a.each(e, func(stream, backup string) error {
		dir, err := a.seek(ctx, backup)
		if err != nil {
			return fmt.Errorf("%s: restore stream %s: %w%s", a.c, stream, err, sofar(done))
		}
		r := a.one(dir, stream, backup)
		if _, err := r.Apply(ctx, a.effect(e, r, cur)); err != nil {
			return fmt.Errorf("%w%s", err, sofar(done))
		}
		done = append(done, stream)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.Observe(ctx)
}

func sofar(done []string) string {
	if len(done) == 0 {
		return "; no stream of the bundle was restored before it"
	}
	return "; restored before it were streams " + quoted(done) + ", and undoing the step takes them away again"
}

// seek finds the dump that has a backup, and looks whether it is good still.
func (a *restoreAll) seek(ctx context.Context, backup string) (string, error) {
	dirs, err := a.from.All()
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		if readManifest(filepath.Join(dir, backup)) == nil {
			continue
		}
		return dir, a.from.Check(ctx, dir)
	}
	return "", fmt.Errorf("there is no backup %s in %s any more", backup, a.from.Dir)
}

// Undo takes away what is as it was restored; what got messages since stays,
// without its subjects.
func (a *restoreAll) Undo(ctx context.Context, e driver.Effect) error {
	cur, err := cursors(e.Cursor)
	if err != nil {
		return err
	}
	kept := &driver.Kept{Fields: map[string][]string{}}
	var what, cost, hint []string
	err = a.each(e, func(stream, backup string) error {
		r := a.one("", stream, backup)
		err := r.Undo(ctx, a.effect(e, r, cur))
		k, ok := errors.AsType[*driver.Kept](err)
		if !ok {
			return err
		}
		what, cost, hint = append(what, k.What), append(cost, stream+": "+k.Cost), append(hint, k.Hint)
		maps.Copy(kept.Fields, k.Fields)
		return nil
	})
	if err != nil || len(what) == 0 {
		return err
	}
	kept.What, kept.Cost, kept.Hint = strings.Join(what, "; "), strings.Join(cost, "; "), strings.Join(hint, "; ")
	return kept
}
