package runtest

import (
	"strings"
	"time"

	"github.com/segue-run/segue/engine"
)

// Patience is how long an event, or the end of a run, is waited for.
const Patience = 2 * time.Minute

// Text is what it printed; only once it has ended.
func (r *Run) Text() string { return r.out.String() + r.err.String() }

// Until follows the journal from where it last stopped to an event.
func (r *Run) Until(what string, is func(Entry) bool) Entry {
	r.t.Helper()
	late := time.NewTimer(Patience)
	defer late.Stop()
	ended := r.ended
	for {
		r.mu.Lock()
		for r.seen < len(r.events) {
			ev := r.events[r.seen]
			r.seen++
			if is(ev) {
				r.mu.Unlock()
				return ev
			}
		}
		r.mu.Unlock()
		select {
		case <-r.news:
		case <-ended:
			// The journal's last events come a moment after the program's end.
			ended = nil
			late.Reset(2 * time.Second)
		case <-late.C:
			r.t.Fatalf("waited in vain for %s; the journal:\n%s\n%s", what, r.Tail(), r.printed())
		}
	}
}

// Gate follows the journal to the opening of a phase's gate.
func (r *Run) Gate(phase string) Entry {
	r.t.Helper()
	return r.Until("the gate of "+phase, Is(func(ev engine.GateOpened) bool { return ev.Phase == phase }))
}

func (r *Run) printed() string {
	if r.Over() {
		return r.Text()
	}
	return r.segue.Call(r.t, "why", r.ID).String()
}

// Tail is the end of the journal, as far as it was followed.
func (r *Run) Tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, ev := range r.events[max(0, len(r.events)-25):] {
		b.WriteString(ev.At.Format("15:04:05.000 ") + ev.Record.Type + " " + oneLine(ev.Data) + "\n")
	}
	return b.String()
}

// End waits for the program's end and wants an exit code.
func (r *Run) End(code int) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(Patience):
		r.t.Fatalf("segue did not end; the journal:\n%s\n%s", r.Tail(), r.printed())
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Fatalf("exit code %d, want %d:\n%s\n%s", got, code, r.Tail(), r.Text())
	}
}

// All returns the events of one kind, in order.
func All[E engine.Event](r *Run) []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Entry
	for _, ev := range r.events {
		if _, ok := ev.Event.(E); ok {
			out = append(out, ev)
		}
	}
	return out
}

// Is makes a condition of an event's kind and content.
func Is[E engine.Event](ok func(E) bool) func(Entry) bool {
	return func(ev Entry) bool {
		e, right := ev.Event.(E)
		return right && (ok == nil || ok(e))
	}
}
