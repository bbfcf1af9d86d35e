package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// edit writes a stream's configuration as change leaves it, if it changes
// something. cfg is the configuration as it is now.
func (x *crossing) edit(ctx context.Context, stream string, cfg config, change func(config)) (*streamInfo, error) {
	now := maps.Clone(cfg)
	change(now)
	if maps.EqualFunc(cfg, now, same) {
		return &streamInfo{Config: cfg}, nil
	}
	return x.c.updateStream(ctx, x.mine, stream, now)
}

// rawSubjects are a stream's subjects as the server has them.
func rawSubjects(cfg config) []string { return list(cfg["subjects"]) }

func addSubjects(cfg config, subjects ...string) {
	now := rawSubjects(cfg)
	for _, s := range subjects {
		if !slices.Contains(now, s) {
			now = append(now, s)
		}
	}
	cfg["subjects"] = compact(now)
}

// dropSubjects leaves a stream without any others closed.
func dropSubjects(stream string, cfg config, subjects ...string) {
	now := minus(rawSubjects(cfg), subjects)
	if len(now) == 0 {
		now = []string{closedSubject(stream)}
	}
	cfg["subjects"] = compact(now)
}

// source is an entry in a stream's list of sources. Keys that it does not know
// are lost, so that only this package's own entries are written through it.
type source struct {
	Name       string      `json:"name"`
	Start      uint64      `json:"opt_start_seq,omitempty"`
	Filter     string      `json:"filter_subject,omitempty"`
	Transforms []transform `json:"subject_transforms,omitempty"`
}

type transform struct {
	Source      string `json:"src"`
	Destination string `json:"dest"`
}

// sinceSubject begins a subject that nobody publishes to. It is among what is
// sourced, to give each sourcing an identity of its own: a stream that has
// copies under the same identity goes on after the last of them, whatever
// opt_start_seq says (nats-server 2.15.2), and on a way back and forth these
// are not where it has to begin.
const sinceSubject = "_segue.since."

// ours is the taker's source on the giver.
func (x *crossing) ours() source {
	s := source{Name: x.giver, Start: x.start}
	for _, p := range append(slices.Clone(x.space), fmt.Sprint(sinceSubject, x.start)) {
		s.Transforms = append(s.Transforms, transform{Source: p})
	}
	return s
}

// covered are the patterns that a source takes; none means all.
func (s source) covered() []string {
	if len(s.Transforms) == 0 && s.Filter == "" {
		return []string{">"}
	}
	var out []string
	if s.Filter != "" {
		out = append(out, s.Filter)
	}
	for _, t := range s.Transforms {
		if !strings.HasPrefix(t.Source, sinceSubject) {
			out = append(out, t.Source)
		}
	}
	return out
}

func sourcesOf(cfg config) []source {
	var out []source
	_ = json.Unmarshal(cfg["sources"], &out)
	return out
}

// sourceList is all that a stream copies, for people: of which stream what.
func sourceList(cfg config) []string {
	var out []string
	for _, s := range sourcesOf(cfg) {
		out = append(out, copying(s.Name, s.covered()))
	}
	return sorted(out)
}

func copying(stream string, patterns []string) string {
	return stream + ": " + quoted(sorted(patterns))
}

// dropSource takes away the sourcing of the space from a stream.
func (x *crossing) dropSource(cfg config, from string) {
	var raw, left []json.RawMessage
	_ = json.Unmarshal(cfg["sources"], &raw)
	for _, one := range raw {
		var s source
		_ = json.Unmarshal(one, &s)
		if of, _ := overlapping(s.covered(), x.space); s.Name != from || len(of) == 0 {
			left = append(left, one)
		}
	}
	if len(left) == 0 {
		delete(cfg, "sources")
		return
	}
	cfg["sources"] = compact(left)
}

// sourcing reports whether a configuration sources a stream's messages of the
// space, and from which on.
func (x *crossing) sourcing(cfg config, from string) (start uint64, ok bool) {
	entry := x.entry(cfg, from)
	if entry == nil {
		return 0, false
	}
	var s source
	_ = json.Unmarshal(entry, &s)
	return s.Start, true
}

// entry is a stream's source of the space on another, as it is configured; nil
// if there is none.
func (x *crossing) entry(cfg config, from string) json.RawMessage {
	var raw []json.RawMessage
	_ = json.Unmarshal(cfg["sources"], &raw)
	for _, one := range raw {
		var s source
		_ = json.Unmarshal(one, &s)
		if of, _ := overlapping(s.covered(), x.space); s.Name == from && len(of) > 0 {
			return one
		}
	}
	return nil
}

// addSource makes the taker source the giver. It panics if the giver sources
// the taker in cfgGiver: the two would multiply messages without end.
func (x *crossing) addSource(cfg, cfgGiver config) {
	if _, mutual := x.sourcing(cfgGiver, x.taker); mutual {
		panic("nats: mutual sourcing of " + x.giver + " and " + x.taker)
	}
	x.putEntry(cfg, compact(x.ours()))
}

// putEntry makes one entry the taker's source of the space on the giver.
func (x *crossing) putEntry(cfg config, entry json.RawMessage) {
	x.dropSource(cfg, x.giver)
	var raw []json.RawMessage
	_ = json.Unmarshal(cfg["sources"], &raw)
	cfg["sources"] = compact(append(raw, entry))
}

// openPrefix lets the relay reach the taker: what is published under the
// prefix is stored under its own subject.
func (x *crossing) openPrefix(cfg config) {
	addSubjects(cfg, closedSubject(x.taker), x.prefix()+".>")
	cfg["subject_transform"] = compact(transform{x.prefix() + ".>", ">"})
}

func (x *crossing) closePrefix(cfg config) {
	dropSubjects(x.taker, cfg, x.prefix()+".>")
	if prefixed(cfg) {
		delete(cfg, "subject_transform")
	}
}

// prefixed: the configuration's transform is a relay's.
func prefixed(cfg config) bool {
	var t transform
	_ = json.Unmarshal(cfg["subject_transform"], &t)
	return strings.HasPrefix(t.Source, "_segue.relay.")
}
