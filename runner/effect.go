package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// work returns what carries a flight's effect out. It is called by the loop,
// so it may look at the state; what it returns may not.
func (l *loop) work(f *flight) func(context.Context) {
	e := f.effect
	switch e.Do {
	case engine.DoWatch:
		return l.watch(f)
	case engine.DoSurvey:
		return l.survey(f)
	case engine.DoObserve:
		return l.observe(f)
	}
	j := l.job(f)
	switch e.Do {
	case engine.DoApply, engine.DoResume:
		return j.apply
	case engine.DoUndo:
		return j.undo
	case engine.DoWitness:
		return j.witness
	case engine.DoBackground:
		return j.background
	}
	panic("runner: no such effect: " + string(e.Do))
}

// A job is an effect on one step, with all it needs of the state.
type job struct {
	l        *loop
	f        *flight
	def      runbook.Step
	before   state.Face
	want     state.Face
	sealB    string
	sealW    string
	cursor   json.RawMessage
	left     state.Face
	through  []undone // all of the rollback, as they were undone
	lastTry  bool
	deadline time.Duration
	fresh    time.Time // what was at the source of background work then is over
}

func (l *loop) job(f *flight) *job {
	id := f.effect.Step
	def, _ := l.rb.Step(id)
	st := l.state.Steps[id]
	j := &job{
		l: l, f: f, def: def, before: st.Before, want: st.Want, sealB: st.SealBefore, sealW: st.SealWant,
		cursor: st.Cursor, left: l.state.Left, deadline: engine.Timeout(def),
		lastTry: engine.LastTry(f.effect.Attempt),
	}
	if rb := l.state.Rollback; rb != nil && f.effect.Do == engine.DoWitness {
		for _, id := range rb.Undo {
			if _, done := rb.Done[id]; done {
				st := l.state.Steps[id]
				j.through = append(j.through, undone{st.Before, st.SealBefore})
			}
		}
	}
	return j
}

// undone is what a step should be back at.
type undone struct {
	before state.Face
	seal   string
}

// done ends the flight with its events.
func (j *job) done(events ...engine.Event) {
	j.l.tell(news{from: j.f, ended: true, events: events})
}

// open makes the action and the effect it works from.
func (j *job) open(ctx context.Context, undo bool) (driver.Action, driver.Effect, error) {
	a, err := j.l.world.action(ctx, j.def)
	if err != nil {
		return nil, driver.Effect{}, err
	}
	before, want, err := j.l.r.unseal(j.l.id, j.sealB, j.sealW, j.before, j.want)
	if err != nil {
		return nil, driver.Effect{}, err
	}
	verb := "apply"
	if undo {
		verb = "undo"
	}
	n := 0
	return a, driver.Effect{
		Before: before, Want: want, Cursor: j.cursor,
		Save: func(ctx context.Context, cursor any) error { return j.save(ctx, undo, cursor) },
		Mine: func() error {
			n++
			j.l.r.at(fmt.Sprintf("in %s %s #%d", verb, j.def.ID, n))
			if err := ctx.Err(); err != nil {
				return err
			}
			return j.l.lease.mine()
		},
	}, nil
}

// face is the public face of what the step's action sees.
func (j *job) face(s state.State) state.Face {
	face, _ := j.l.face(s, j.want, j.before, j.left)
	return face
}

func (j *job) save(ctx context.Context, undo bool, cursor any) error {
	raw, err := json.Marshal(cursor)
	if err != nil {
		return fmt.Errorf("encode the cursor of step %s: %w", j.def.ID, err)
	}
	s := &save{cursor: engine.StepCursor{Step: j.def.ID, Undo: undo, Cursor: raw}, result: make(chan error, 1)}
	j.l.tell(news{from: j.f, save: s})
	select {
	case err := <-s.result:
		if err == nil {
			j.cursor = raw
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tellEvery is how often at most a step's progress is journaled.
const tellEvery = 5 * time.Second

// telling returns a context in which the step's work is heard of.
func (j *job) telling(ctx context.Context) context.Context {
	m := driver.Meter{Every: tellEvery}
	return driver.WithProgress(ctx, func(p driver.Progress) {
		if p, due := m.Take(p, time.Now()); due {
			j.l.tell(news{from: j.f, events: []engine.Event{engine.StepProgress{
				Step: j.def.ID, Done: p.Done, Of: p.Of, What: p.What, Left: p.Left, Note: short(p.Note),
			}}})
		}
	})
}

func (j *job) apply(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.deadline, fmt.Errorf("step %s did not end within %s", j.def.ID, j.deadline))
	defer cancel()
	begun := time.Now()
	after, err := j.applied(j.telling(ctx))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) && !errors.Is(cause, context.Canceled) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		j.done(j.l.r.failure(j.def.ID, "apply", err))
		return
	}
	face := j.face(after)
	if wrong := state.Diff(j.want, restrict(face, j.want)); len(wrong) > 0 {
		j.done(engine.StepFailed{Step: j.def.ID, Stage: "apply", Error: "applied, but the world is not as wanted: " + changes(wrong)})
		return
	}
	j.done(engine.StepDone{Step: j.def.ID, After: face, Changed: len(state.Diff(j.before, face)) > 0, Millis: time.Since(begun).Milliseconds()})
}

func (j *job) applied(ctx context.Context) (state.State, error) {
	a, eff, err := j.open(ctx, false)
	if err != nil {
		return nil, err
	}
	if j.f.effect.Do == engine.DoResume {
		if r, ok := a.(driver.Resumable); ok {
			return r.Resume(ctx, eff)
		}
	}
	return a.Apply(ctx, eff)
}

func (j *job) undo(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.deadline, fmt.Errorf("the undo of step %s did not end within %s", j.def.ID, j.deadline))
	defer cancel()
	begun := time.Now()
	ev, err := j.undone(j.telling(ctx))
	if err != nil {
		j.done(engine.UndoFailed{Step: j.def.ID, Error: j.l.r.errorText(err), Final: j.lastTry})
		return
	}
	ev.Millis = time.Since(begun).Milliseconds()
	j.done(ev)
}

func (j *job) undone(ctx context.Context) (engine.UndoDone, error) {
	ev := engine.UndoDone{Step: j.def.ID}
	a, eff, err := j.open(ctx, true)
	if err != nil {
		if drains := j.def.Kind.Drains; drains != nil && drains(j.def.Params) {
			err = fmt.Errorf("what is still to come over is not known: %w", err)
		}
		return ev, err
	}
	// What is found is saved, and restored over anyway.
	if found, err := a.Observe(ctx); err == nil {
		ev.Found = j.face(found)
		ev.Drift = state.Drift(j.left, ev.Found)
	}
	err = a.Undo(ctx, eff)
	var kept *driver.Kept
	switch {
	case errors.As(err, &kept):
		ev.Kept = &engine.Kept{What: kept.What, Cost: kept.Cost, Hint: kept.Hint, Fields: kept.Fields, Doubts: kept.Doubts}
	case err != nil:
		return ev, err
	}
	left, err := a.Observe(ctx)
	if err != nil {
		return ev, fmt.Errorf("undone, but the world cannot be seen: %w", err)
	}
	ev.Left = j.face(left)
	if t, ok := a.(driver.Teller); ok {
		told, err := t.Tell(j.cursor)
		if err != nil {
			return ev, fmt.Errorf("undone, but what it has counted cannot be told: %w", err)
		}
		ev.Told = j.face(told)
	}
	for _, c := range state.Diff(j.before, ev.Left) {
		if kept == nil || !covers(kept.Fields, c) {
			ev.Differ = append(ev.Differ, c)
		}
	}
	return ev, nil
}

func covers(fields map[string][]string, c state.Change) bool {
	for _, f := range fields[c.Resource] {
		if f == "*" || f == c.Field {
			return true
		}
	}
	return false
}

// pause waits, and reports whether it waited to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// restrict is what face says of the fields that like has.
func restrict(face, like state.Face) state.Face {
	out := make(state.Face, len(like))
	for id, fields := range like {
		got := state.Fields{}
		for name := range fields {
			if v, ok := face[id][name]; ok {
				got[name] = v
			}
		}
		out[id] = got
	}
	return out
}

func changes(list []state.Change) string {
	text := ""
	for i, c := range list {
		if i > 0 {
			text += "; "
		}
		text += c.String()
	}
	return text
}

// failure is the event of a step's failure, with the remedy where it is known.
func (r *Runner) failure(step, stage string, err error) engine.StepFailed {
	ev := engine.StepFailed{Step: step, Stage: stage, Error: r.errorText(err)}
	var refusal *driver.Refusal
	if errors.As(err, &refusal) {
		ev.Remedy = refusal.Remedy
	}
	return ev
}
