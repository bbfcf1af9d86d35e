package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal"
)

// news is what something beside the loop has to tell it.
type news struct {
	from     *flight // the effect that it comes from; nil for none
	ended    bool    // and that is over
	events   []engine.Event
	observed *engine.Observed
	surveyed *engine.Surveyed
	check    string
	reading  evidence.Reading
	messages []journal.Message
	save     *save
	lost     bool // the lease
}

// save asks the loop to journal a cursor and says how that went.
type save struct {
	cursor engine.StepCursor
	result chan error
}

// tell brings news to the loop; it gives up when the loop has ended.
func (l *loop) tell(n news) {
	select {
	case l.news <- n:
	case <-l.ctx.Done():
		if n.save != nil {
			n.save.result <- l.ctx.Err()
		}
	}
}

// wait takes the next news, or returns at the wake time.
func (l *loop) wait(parent context.Context, wake time.Time, flush <-chan time.Time) error {
	var timer <-chan time.Time
	if next := l.nextGrace(wake); !next.IsZero() {
		t := time.NewTimer(max(time.Until(next), 0))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-parent.Done():
		return fmt.Errorf("%w: %w", ErrNotFinal, context.Cause(parent))
	case <-timer:
		return l.overdue()
	case <-flush:
		l.flush()
		return nil
	case n := <-l.news:
		return l.take(n)
	}
}

func (l *loop) take(n news) error {
	switch {
	case n.lost:
		return fmt.Errorf("run %s: %w", l.id, journal.ErrLeaseLost)
	case n.save != nil:
		if l.flights[n.from.key] != n.from || n.from.lost {
			n.save.result <- driver.ErrNotMine // it was given up: what it does is nobody's any more
			return nil
		}
		err := l.append(n.save.cursor)
		n.save.result <- err
		return err
	case n.check != "":
		l.state.NoteReading(l.rb, n.check, n.reading)
		l.store(n.check, n.reading)
		return nil
	case n.messages != nil:
		return l.signals(n.messages)
	}
	f := n.from
	if l.flights[f.key] != f {
		return nil // superseded: nobody waits for its answer
	}
	if err := l.answered(f, n); err != nil {
		f.lost = true // nobody knows of its end
		return err
	}
	if n.ended {
		delete(l.flights, f.key)
	}
	return nil
}

// answered takes what an effect has to say.
func (l *loop) answered(f *flight, n news) error {
	if f.lost {
		// It was given up as indeterminate and has ended after all: what it
		// did in between must not go unnoticed.
		return l.append(engine.SignalTaken{Message: l.state.Inbox, Signal: engine.Signal{
			Kind: engine.SignalLate, Actor: "segue", Of: f.effect.Step, Note: "an effect that had ignored its cancellation has ended",
		}})
	}
	if n.observed != nil && !f.cancelled() {
		l.state.Note(*n.observed)
	}
	if n.surveyed != nil && !f.cancelled() {
		l.state.NoteSurvey(*n.surveyed)
	}
	if len(n.events) > 0 && (!f.cancelled() || f.over || f.effect.Do == engine.DoApply || f.effect.Do == engine.DoResume) {
		return l.append(n.events...)
	}
	return nil
}

// store keeps a reading for the table beside the log.
func (l *loop) store(check string, rd evidence.Reading) {
	data, err := json.Marshal(rd)
	if err != nil {
		return
	}
	if l.r.Secrets != nil {
		data = l.r.Secrets.RedactJSON(data, kept)
	}
	l.stored = append(l.stored, journal.Reading{Run: l.id, Check: check, At: rd.At, Data: data})
}

func (l *loop) flush() {
	if len(l.stored) == 0 {
		return
	}
	batch := l.stored
	l.stored = nil
	ctx, cancel := context.WithTimeout(l.ctx, time.Second)
	defer cancel()
	if err := l.r.Store.Observe(ctx, batch); err != nil {
		l.r.log().Warn("readings could not be kept", "run", l.id, "error", err)
	}
}
