package runner

import (
	"context"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
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
		err := j.look(ctx, &ev)
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

func (j *job) look(ctx context.Context, ev *engine.Witnessed) error {
	a, eff, err := j.open(ctx, true)
	if err != nil {
		return err
	}
	found, err := a.Observe(ctx)
	if err != nil {
		return err
	}
	if found, err = settled(ctx, a, found); err != nil {
		return err
	}
	ev.Face, _ = j.l.face(found)
	w, ok := a.(driver.Witness)
	if !ok {
		return nil
	}
	ev.Able = true
	want := eff.Before
	if j.sealB == "" {
		want = restrict(j.final, j.before).Unsealed()
	}
	return w.Witness(ctx, want)
}
