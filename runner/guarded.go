package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/segue-run/segue/engine"
)

// panicked is the error of a driver that panicked. Its stack is for the log.
func (r *Runner) panicked(what string, p any) error {
	err := fmt.Errorf("%s: the driver panicked: %v", what, p)
	r.log().Error(r.errorText(err), "stack", string(debug.Stack()))
	return err
}

// recovered ends a flight whose driver panicked as one that failed: a guard, a
// rollback and the people go on.
func (l *loop) recovered(f *flight) {
	p := recover()
	if p == nil {
		return
	}
	e := f.effect
	err := l.r.panicked(string(e.Do)+" "+e.Step, p)
	n := news{from: f, ended: true}
	switch e.Do {
	case engine.DoObserve:
		n.events = []engine.Event{l.r.failure(e.Step, "observe", err)}
	case engine.DoApply, engine.DoResume:
		n.events = []engine.Event{l.r.failure(e.Step, "apply", err)}
	case engine.DoUndo:
		n.events = []engine.Event{engine.UndoFailed{Step: e.Step, Error: l.r.errorText(err), Final: engine.LastTry(e.Attempt)}}
	case engine.DoWitness:
		n.events = []engine.Event{engine.Witnessed{Step: e.Step, Able: true, Error: l.r.errorText(err)}}
	}
	l.tell(n)
}

// slack is how much longer than its deadline a look at the world may take
// before nobody waits for it any more.
const slack = time.Second

// within calls what only looks, and leaves it behind when it ignores the end of
// its context.
func within[T any](ctx context.Context, look func(context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("the driver panicked: %v", p)
			}
			answers <- a
		}()
		a.v, a.err = look(ctx)
	}()
	select {
	case a := <-answers:
		return a.v, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-answers:
		return a.v, a.err
	case <-time.After(slack):
		var none T
		return none, fmt.Errorf("no answer, and it ignores the end of its time: %w", context.Cause(ctx))
	}
}
