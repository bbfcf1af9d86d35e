package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// held are the streams that a dump has, with the names of their directories.
func held(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look which streams a dump has: %w", err)
	}
	out := map[string]string{}
	for _, e := range entries {
		if m := readManifest(filepath.Join(dir, e.Name())); m != nil {
			out[m.Stream] = e.Name()
		}
	}
	return out, nil
}

// dumped is the dump that would be restored, or why there is none: how Survey tells
// PlanAmong what is on disk.
type dumped struct {
	Dir     string            `json:"dir,omitempty"`
	Streams map[string]string `json:"streams,omitempty"`
	Problem string            `json:"problem,omitempty"`
}

func (a *restoreAll) source() string { return "file:" + a.from.Dir }

// Survey reads what is on disk, all streams and their subjects, and how many nodes
// there are.
func (a *restoreAll) Survey(ctx context.Context) (state.State, error) {
	out, err := a.c.surveyBut(ctx, "")
	if err != nil {
		return nil, err
	}
	nodes, err := a.c.nodes(ctx)
	if err != nil {
		return nil, err
	}
	if nodes > 0 {
		out[kind+":"+a.c.cluster] = state.Fields{"nodes": compact(nodes)}
	}
	d, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	out[a.source()] = state.Fields{"dump": compact(d)}
	for stream, backup := range d.Streams {
		found, err := a.one(d.Dir, stream, backup).candidate(ctx)
		if err != nil {
			return nil, err
		}
		out[backupID(d.Dir, stream)] = state.Fields{"candidate": compact(found)}
	}
	return out, nil
}

func (a *restoreAll) find(ctx context.Context) (dumped, error) {
	dir, err := a.from.Good(ctx)
	if ctx.Err() != nil {
		return dumped{}, fmt.Errorf("look for a dump: %w", context.Cause(ctx))
	}
	if err != nil {
		return dumped{Problem: err.Error()}, nil
	}
	has, err := held(dir)
	if err != nil {
		return dumped{}, err
	}
	for _, stream := range a.only {
		if has[stream] == "" {
			return dumped{Problem: fmt.Sprintf("%s has no stream %s; it has %s", dir, stream, quoted(slices.Sorted(maps.Keys(has))))}, nil
		}
	}
	if len(a.only) > 0 {
		maps.DeleteFunc(has, func(stream, _ string) bool { return !slices.Contains(a.only, stream) })
	}
	if len(has) == 0 {
		return dumped{Problem: dir + " has no streams"}, nil
	}
	return dumped{Dir: dir, Streams: has}, nil
}

// Plan plans without knowing what is on disk.
func (a *restoreAll) Plan(before state.State) (state.State, error) {
	return a.PlanAmong(before, state.State{})
}

// PlanAmong refuses streams that are there, and what nats.restore refuses.
func (a *restoreAll) PlanAmong(before, others state.State) (state.State, error) {
	d := dumped{Problem: "the bundles in " + a.from.Dir + " were not looked at"}
	if raw := others[a.source()]["dump"]; raw != nil {
		d = dumped{}
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, fmt.Errorf("what is on disk: %w", err)
		}
	}
	if d.Problem != "" {
		return nil, a.refuse(d.Problem, "a step with backup.bundle before this one, or another dir")
	}
	if there := a.there(d, before, others); len(there) > 0 {
		return nil, a.refuse(fmt.Sprintf("the bundle has streams %s, and they exist; nothing that is live is replaced", quoted(there)),
			"only: those that are lost, or nats.delete before this step for those that are to be as they were")
	}
	want := maps.Clone(before)
	for _, stream := range slices.Sorted(maps.Keys(d.Streams)) {
		r := a.one(d.Dir, stream, d.Streams[stream])
		is := state.Fields{"exists": compact(false)}
		for field, v := range before[r.id] {
			if word(v) != "" {
				is["exists"], is[field] = compact(true), v
			}
		}
		then, err := r.PlanAmong(state.State{r.id: is}, others)
		if err != nil {
			return nil, err
		}
		want[r.id] = state.Fields{"restored": then[r.id]["restored"]}
	}
	return want, nil
}

// there are the streams of the dump that exist, and not as this dump or half-made.
func (a *restoreAll) there(d dumped, before, others state.State) []string {
	var out []string
	for stream, backup := range d.Streams {
		id := a.c.streamID(stream)
		was := before[id]
		if flag(others[id]["exists"]) && word(was["restored"]) != backup && was["restoring"] == nil {
			out = append(out, stream)
		}
	}
	return sorted(out)
}

func (a *restoreAll) refuse(reason, remedy string) error {
	return &driver.Refusal{System: a.c.String(), Reason: reason, Remedy: remedy}
}
