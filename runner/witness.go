package runner

import (
	"context"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/state"
)

const witnessFor = 5 * time.Second

// witness looks at an undone step again, and with other eyes where the action
// has them; what follows from a change may take a moment to show.
func (j *job) witness(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*witnessFor)
	defer cancel()
	ev := engine.Witnessed{Step: j.def.ID}
	until := time.Now().Add(witnessFor)
	for {
		seen, err := within(ctx, j.look)
		if seen.Face != nil {
			ev.Face = seen.Face
		}
		ev.Able = ev.Able || seen.Able
		if err == nil {
			ev.Error = ""
			break
		}
		ev.Error = j.l.r.errorText(err)
		if !time.Now().Before(until) || !pause(ctx, 200*time.Millisecond) {
			break
		}
	}
	j.done(ev)
}

func (j *job) look(ctx context.Context) (ev engine.Witnessed, err error) {
	a, _, err := j.open(ctx, true)
	if err != nil {
		return ev, err
	}
	found, err := a.Observe(ctx)
	if err != nil {
		return ev, err
	}
	if found, err = settled(ctx, a, found); err != nil {
		return ev, err
	}
	ev.Face = j.face(found)
	w, ok := a.(driver.Witness)
	if !ok {
		return ev, nil
	}
	ev.Able = true
	want, err := j.final()
	if err != nil {
		return ev, err
	}
	return ev, w.Witness(ctx, want)
}

// final is what all the undone steps together should have left of what this
// one owns: of two that changed the same, the one undone last says.
func (j *job) final() (state.State, error) {
	want := state.State{}
	for _, u := range j.through {
		was, _, err := j.l.r.unseal(j.l.id, u.seal, "", u.before, nil)
		if err != nil {
			return nil, err
		}
		for id, fields := range j.before {
			for name := range fields {
				if v, ok := was[id][name]; ok {
					want = want.With(state.State{id: {name: v}})
				}
			}
		}
	}
	return want, nil
}
