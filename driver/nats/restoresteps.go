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

// restoreCursor is saved before anything is sent: what Undo needs to tell the
// stream as it was restored from one that got messages since.
type restoreCursor struct {
	Backup  string `json:"backup"`
	LastSeq uint64 `json:"last_seq"`
	Newest  *mark  `json:"newest,omitempty"`
}

func (a *restore) Resume(ctx context.Context, e driver.Effect) (state.State, error) {
	return a.Apply(ctx, e)
}

func (a *restore) Apply(ctx context.Context, e driver.Effect) (state.State, error) {
	info, taken, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	want := word(e.Want[a.id]["restored"])
	if info != nil && want != "" && info.metadata()[restoredKey] == want {
		return a.seen(info, false), nil
	}
	b := found{readManifest(filepath.Join(a.dir, want)), filepath.Join(a.dir, want)}
	if want == "" || b.manifest == nil || b.Stream != a.p.Stream {
		return nil, fmt.Errorf("%s: restore stream %s: there is no backup %q in %s any more", a.c, a.p.Stream, want, a.dir)
	}
	broken, err := b.broken(ctx)
	if err != nil {
		return nil, err
	}
	if broken != "" {
		return nil, a.refuse(fmt.Sprintf("backup %s is damaged: %s", b.dir, broken), "a whole copy of it")
	}
	s, err := readSaved(b.dir)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", b.dir, err)
	}
	if info, err = a.send(ctx, e, info, taken, b, s.Config); err != nil {
		return nil, err
	}
	if info, err = a.spread(ctx, e, info, b, a.replicas(s.Config)); err != nil {
		return nil, err
	}
	if info, err = a.open(ctx, e, info, b, s.Config); err != nil {
		return nil, err
	}
	return a.seen(info, false), nil
}

// send makes the stream be there, whole and closed.
func (a *restore) send(ctx context.Context, e driver.Effect, info *streamInfo, taken bool, b found, cfg config) (*streamInfo, error) {
	switch {
	case info != nil && info.metadata()[restoringKey] == "":
		return nil, fmt.Errorf("%s: stream %s is there: somebody made it meanwhile", a.c, a.p.Stream)
	case taken && e.Cursor == nil:
		return nil, fmt.Errorf("%s: the name %s is taken by a stream that somebody else is restoring", a.c, a.p.Stream)
	case info != nil && info.metadata()[restoringKey] == b.name():
		now, err := a.whole(ctx, b, false)
		if err == nil && now != nil && e.Cursor == nil { // an earlier run's: from here on it is ours
			err = e.Save(ctx, restoreCursor{b.name(), b.LastSeq, b.Newest})
		}
		if err != nil || now != nil {
			return now, err
		}
	}
	if info != nil || taken { // what an earlier attempt left half-way
		if err := a.clear(ctx, e); err != nil {
			return nil, err
		}
	}
	if err := e.Save(ctx, restoreCursor{b.name(), b.LastSeq, b.Newest}); err != nil {
		return nil, err
	}
	if err := e.Mine(); err != nil {
		return nil, err
	}
	begun, err := a.c.transfer(ctx, a.p.Stream, b, a.consumers(), a.halfway(cfg, b))
	if !begun && hasCode(err, errRestore) && (info != nil || taken) { // what was cleared away is heard of once more
		if err = a.clear(ctx, e); err == nil {
			begun, err = a.c.transfer(ctx, a.p.Stream, b, a.consumers(), a.halfway(cfg, b))
		}
	}
	if storageWent(err) {
		if err = a.clear(ctx, e); err == nil {
			begun, err = a.c.transfer(ctx, a.p.Stream, b, a.consumers(), a.halfway(cfg, b))
		}
	}
	if err != nil {
		if begun {
			err = errors.Join(err, a.sweep(ctx, e))
		}
		return nil, fmt.Errorf("%s: restore stream %s from %s: %w", a.c, a.p.Stream, b.dir, err)
	}
	return a.whole(ctx, b, true)
}

// storageWent: the server took the account's directory away, as its last stream
// was deleted, while it made this one's in it (nats-server 2.15.2, 1 in 30). It
// makes a new one at the next attempt.
func storageWent(err error) bool {
	return hasCode(err, errRestore) && strings.Contains(err.Error(), "could not create storage directory")
}

// sweep clears away what failed, so that it can be tried again. After ctx was
// cancelled there is a moment for it.
func (a *restore) sweep(ctx context.Context, e driver.Effect) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
	}
	return a.clear(ctx, e)
}

// clear deletes a half-restored stream, or the name that one left.
func (a *restore) clear(ctx context.Context, e driver.Effect) error {
	if err := a.c.deleteStream(ctx, e.Mine, a.p.Stream); err != nil {
		return err
	}
	err := await(ctx, func() (bool, error) {
		info, taken, err := a.look(ctx)
		return info == nil && !taken, err
	})
	if err != nil {
		return fmt.Errorf("%s: wait until the half-restored stream %s is gone: %w", a.c, a.p.Stream, err)
	}
	return nil
}

// halfway is the configuration that a stream has until it is whole.
func (a *restore) halfway(cfg config, b found) config {
	cfg = maps.Clone(cfg)
	if !mirrors(cfg) {
		putSubjects(a.p.Stream, cfg, nil)
	}
	delete(cfg, "sources")
	cfg["num_replicas"] = compact(1)
	if a.p.MaxAge != nil {
		cfg["max_age"] = compact(int64(*a.p.MaxAge))
	}
	cfg["metadata"] = marked(cfg, restoringKey, b.name())
	return cfg
}

// replicas are those that it gets in the end.
func (a *restore) replicas(saved config) int64 {
	if a.p.Replicas != nil {
		return *a.p.Replicas
	}
	return max(number(saved["num_replicas"]), 1)
}

func mirrors(cfg config) bool { return len(cfg["mirror"]) > 0 && string(cfg["mirror"]) != "null" }

// marked is the metadata with a word of ours, and none of our others.
func marked(cfg config, key, value string) json.RawMessage {
	m := map[string]string{}
	_ = json.Unmarshal(cfg["metadata"], &m)
	delete(m, restoringKey)
	delete(m, restoredKey)
	m[key] = value
	return compact(m)
}

// whole gives the stream once all of the backup is in it. Unless it is worth waiting for, it gives nil when it has
// not got there.
func (a *restore) whole(ctx context.Context, b found, wait bool) (*streamInfo, error) {
	var info *streamInfo
	lacks := "it is not there"
	err := await(ctx, func() (bool, error) {
		var err error
		if info, err = a.c.stream(ctx, a.p.Stream); err != nil || info == nil {
			return !wait, err
		}
		if lacks, err = a.lacks(ctx, info, b); err != nil {
			return false, err
		}
		return lacks == "" || !wait, nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: wait until stream %s is restored (%s): %w", a.c, a.p.Stream, lacks, err)
	case lacks != "":
		return nil, nil //nolint:nilnil // "not whole" is an answer
	}
	return info, nil
}

// lacks says what of the backup is not there yet, "" if nothing.
func (a *restore) lacks(ctx context.Context, info *streamInfo, b found) (string, error) {
	if info.State.LastSeq < b.LastSeq {
		return fmt.Sprintf("its last message is %d of %d", info.State.LastSeq, b.LastSeq), nil
	}
	for _, k := range b.Consumers {
		if !a.consumers() || !k.Durable { // others may be gone already
			continue
		}
		now, err := a.c.consumer(ctx, a.p.Stream, k.Name)
		if err != nil {
			return "", err
		}
		if now == nil || now.AckFloor.Stream < k.AckFloor.Stream {
			return "consumer " + k.Name + " is not where it was", nil
		}
	}
	return "", nil
}

// open gives the stream what it had: then it is restored.
func (a *restore) open(ctx context.Context, e driver.Effect, info *streamInfo, b found, saved config) (*streamInfo, error) {
	cfg := maps.Clone(info.Config)
	cfg["metadata"] = marked(cfg, restoredKey, b.name())
	if !a.p.Closed {
		for _, key := range []string{"subjects", "sources"} {
			if v, ok := saved[key]; ok {
				cfg[key] = slices.Clone(v)
			}
		}
	}
	now, err := a.c.updateStream(ctx, e.Mine, a.p.Stream, cfg)
	if hasCode(err, errOverlap) {
		return nil, a.refuse(fmt.Sprintf("stream %s is there with all its messages, and cannot have its subjects: another stream has taken them meanwhile (10065)", a.p.Stream), "closed: true")
	}
	return now, err
}
