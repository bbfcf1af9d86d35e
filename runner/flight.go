package runner

import (
	"context"
	"time"

	"github.com/segue-run/segue/engine"
)

// A flight is an effect that is going on.
type flight struct {
	key    string
	effect engine.Effect
	cancel context.CancelFunc
	since  time.Time // of the cancellation; zero while it is wanted
	due    time.Time // when what writes must have ended by itself; zero: never
	over   bool      // it was cancelled as it was past due: it is wanted still
	lost   bool      // it did not end within the grace after its cancellation
}

func (f *flight) cancelled() bool { return !f.since.IsZero() }

// writes reports whether the effect changes the world.
func (f *flight) writes() bool {
	switch f.effect.Do {
	case engine.DoApply, engine.DoResume, engine.DoUndo, engine.DoBackground:
		return true
	}
	return false
}

// settle makes the effects that are going on those that should be: it starts
// what is missing and cancels what is unwanted.
func (l *loop) settle(wanted []engine.Effect) {
	want := make(map[string]bool, len(wanted))
	for _, e := range wanted {
		want[e.Key()] = true
	}
	for key, f := range l.flights {
		if !want[key] && !f.cancelled() {
			f.cancel()
			f.since = time.Now()
			if !f.writes() {
				delete(l.flights, key) // nobody waits for its answer
			}
		}
	}
	for _, e := range wanted {
		if _, going := l.flights[e.Key()]; !going && !l.works(e) {
			l.start(e)
		}
	}
}

// works reports whether the background work of a step that is to be undone has
// yet to stop: the undo waits for it.
func (l *loop) works(e engine.Effect) bool {
	for _, f := range l.flights {
		if e.Do == engine.DoUndo && f.effect.Do == engine.DoBackground && f.effect.Step == e.Step && !f.lost {
			return true
		}
	}
	return false
}

func (l *loop) start(e engine.Effect) {
	ctx, cancel := context.WithCancel(l.ctx)
	f := &flight{key: e.Key(), effect: e, cancel: cancel}
	l.flights[f.key] = f
	if f.writes() && e.Do != engine.DoBackground {
		def, _ := l.rb.Step(e.Step)
		f.due = time.Now().Add(engine.Timeout(def))
	}
	work := l.work(f)
	// An effect that ignores its cancellation must not keep the process from
	// ending, so nothing waits for this goroutine but land, for a while.
	go func() {
		defer cancel()
		defer l.recovered(f)
		work(ctx)
	}()
}

// land cancels everything and gives what writes the grace to end.
func (l *loop) land() {
	l.settle(nil)
	deadline := time.After(grace)
	for {
		going := false
		for _, f := range l.flights {
			going = going || f.writes() && !f.lost
		}
		if !going {
			return
		}
		select {
		case n := <-l.news:
			if n.save != nil {
				n.save.result <- context.Canceled
			}
			if n.ended {
				delete(l.flights, n.from.key)
			}
		case <-deadline:
			return
		}
	}
}

// nextGrace is the earlier of the wake time and the next moment at which an
// effect is to be cancelled, or given up.
func (l *loop) nextGrace(wake time.Time) time.Time {
	for _, f := range l.flights {
		t := f.due
		if f.cancelled() {
			t = f.since.Add(grace)
		}
		if !f.lost && !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	return wake
}

// overdue cancels effects that ignored their deadline, and gives up on those
// that ignored their cancellation.
func (l *loop) overdue() error {
	now := time.Now()
	for _, f := range l.flights {
		switch {
		case f.lost:
		case !f.cancelled():
			if !f.due.IsZero() && !now.Before(f.due) {
				f.cancel()
				f.since, f.over = now, true
			}
		case now.Sub(f.since) >= grace:
			f.lost = true
			if f.effect.Do == engine.DoBackground {
				continue
			}
			if err := l.append(engine.StepIndeterminate{Step: f.effect.Step, Undo: f.effect.Do == engine.DoUndo}); err != nil {
				return err
			}
		}
	}
	return nil
}
