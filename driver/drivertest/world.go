package drivertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/state"
)

// walk is one rule at work. It remembers all that was said, to look for
// secrets in it.
type walk struct {
	t       testing.TB
	ctx     context.Context
	subject Subject

	mu   sync.Mutex
	said []string
}

func (w *walk) say(texts ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, texts...)
}

// scene is a fresh world, observed and planned.
type scene struct {
	World
	before, want state.State
}

func (w *walk) begin() (scene, error) {
	s := scene{World: w.subject.World(w.t)}
	a := s.Action()
	var err error
	if s.before, err = w.observe(a); err != nil {
		return s, err
	}
	if s.want, err = w.plan(a, copyOf(s.before)); err != nil {
		return s, err
	}
	if !w.subject.AlwaysActs && w.same(s.before, s.want) {
		return s, errors.New("the subject's fresh world leaves the action nothing to do")
	}
	return s, nil
}

func (w *walk) observe(a driver.Action) (state.State, error) {
	found, err := a.Observe(w.ctx)
	if err != nil {
		return nil, fmt.Errorf("Observe: %w", w.heard(err))
	}
	w.face(found)
	return found, nil
}

// settled observes until the world holds still: a cancelled call may still
// take hold.
func (w *walk) settled(a driver.Action) (state.State, error) {
	found, err := w.observe(a)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for err == nil {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			return found, fmt.Errorf("the world did not hold still: %w", w.ctx.Err())
		}
		last := found
		if found, err = w.observe(a); err == nil && w.same(last, found) {
			return found, nil
		}
	}
	return found, err
}

func (w *walk) plan(a driver.Action, before state.State) (state.State, error) {
	var want state.State
	var err error
	if s, ok := a.(driver.Surveyor); ok {
		others, serr := s.Survey(w.ctx)
		if serr != nil {
			return nil, fmt.Errorf("Survey: %w", w.heard(serr))
		}
		w.face(others)
		want, err = s.PlanAmong(before, others)
	} else {
		want, err = a.Plan(before)
	}
	if err != nil {
		return nil, fmt.Errorf("Plan: %w", w.heard(err))
	}
	w.face(want)
	return want, nil
}

func (w *walk) apply(ctx context.Context, a driver.Action, s scene, l *life) (state.State, error) {
	after, err := a.Apply(ctx, l.effect(w, s))
	w.face(after)
	return after, w.heard(err)
}

// undo reports what Undo kept, nil if nothing.
func (w *walk) undo(ctx context.Context, a driver.Action, s scene, l *life) (*driver.Kept, error) {
	err := w.heard(a.Undo(ctx, l.effect(w, s)))
	if kept, ok := errors.AsType[*driver.Kept](err); ok && !errors.Is(err, driver.ErrNotMine) {
		if !w.subject.MayKeep {
			return kept, fmt.Errorf("Undo kept something, which this subject does not allow: %w", err)
		}
		if kept.What == "" || kept.Cost == "" {
			return kept, fmt.Errorf("Undo kept something and does not say what at which cost: %+v", *kept)
		}
		return kept, nil
	}
	return nil, err
}

// restored reports how the world differs from what was before, in the fields
// that were there before and that kept does not list.
func (w *walk) restored(a driver.Action, s scene, kept *driver.Kept) error {
	found, err := w.settled(a)
	if err != nil {
		return err
	}
	before, now := w.public(s.before), w.public(found)
	var lost []string
	for id, fields := range before {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			if kept != nil && (slices.Contains(kept.Fields[id], name) || slices.Contains(kept.Fields[id], "*")) {
				continue
			}
			one := state.Face{id: {name: fields[name]}}
			is := state.Face{id: {}}
			if v, ok := now[id][name]; ok {
				is[id][name] = v
			}
			for _, c := range state.Diff(one, is) {
				lost = append(lost, c.String())
			}
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		return fmt.Errorf("not restored: %s", strings.Join(lost, "; "))
	}
	return nil
}

var faceKey = []byte("drivertest")

// public is the comparable face: without secrets and without what the action
// only observes.
func (w *walk) public(s state.State) state.Face {
	face, _ := s.Face(faceKey)
	for _, fields := range face {
		for _, name := range w.subject.ObserveOnly {
			delete(fields, name)
		}
	}
	return face
}

func (w *walk) diff(from, to state.State) []state.Change {
	return state.Diff(w.public(from), w.public(to))
}

func (w *walk) same(a, b state.State) bool { return len(w.diff(a, b)) == 0 }

func (w *walk) face(s state.State) {
	if s == nil {
		return
	}
	face, _ := s.Face(faceKey)
	raw, err := json.Marshal(face)
	if err != nil {
		w.t.Fatalf("a state is not JSON: %v", err)
	}
	w.say(string(raw))
}

func (w *walk) heard(err error) error {
	if err != nil {
		w.say(err.Error())
	}
	return err
}

// leaks reports where a secret showed, without repeating it.
func (w *walk) leaks() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, secret := range w.subject.Secrets {
		for _, form := range []string{
			secret,
			url.QueryEscape(secret), url.PathEscape(secret),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "="),
			strings.TrimRight(base64.URLEncoding.EncodeToString([]byte(secret)), "="),
		} {
			for _, text := range w.said {
				if strings.Contains(text, form) {
					return fmt.Errorf("secret %d shows: %s", i+1, strings.ReplaceAll(text, form, "█"))
				}
			}
		}
	}
	return nil
}

// copyOf is a state as the journal gives it back.
func copyOf(s state.State) state.State {
	raw, err := json.Marshal(s)
	if err != nil {
		panic("drivertest: a state is not JSON: " + err.Error())
	}
	var out state.State
	if err := json.Unmarshal(raw, &out); err != nil {
		panic("drivertest: a state does not come back from JSON: " + err.Error())
	}
	return out
}
