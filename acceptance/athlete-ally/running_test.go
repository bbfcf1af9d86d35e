package acceptance_test

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/sandbox/people"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
)

// entry is one record of a run's journal.
type entry struct {
	journal.Record
	engine.Event
}

// running is a segue run in the background, whose journal is followed.
type running struct {
	t        testing.TB
	w        *world
	id       string
	cmd      *exec.Cmd
	out, err bytes.Buffer // to be read when it has ended
	ended    chan struct{}

	mu     sync.Mutex
	events []entry
	seen   int // events that until has looked at
	news   chan struct{}
	left   string // part of what nobody answers
}

// begin starts a run of a runbook; people answer what it asks.
func (w *world) begin(t testing.TB, file string, args ...string) *running {
	t.Helper()
	r := w.carry(t, w.runs(t), append([]string{"run", file, "--plain"}, args...)...)
	r.answered()
	return r
}

// answered lets people answer what the run asks, as long as it goes on.
func (r *running) answered() {
	ctx, stop := context.WithCancel(context.WithoutCancel(r.t.Context()))
	others := people.People{
		Segue: func(ctx context.Context, args ...string) *exec.Cmd { return r.w.command(ctx, args...) },
		As:    "carl",
		Leave: func(what string) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.left != "" && strings.Contains(what, r.left)
		},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && !r.over() {
			if r.asks() {
				others.Once(ctx, r.id)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	r.t.Cleanup(func() { stop(); <-done })
}

// asks reports whether people may be asked now: a phase has not begun for good,
// or it is the one with a step that waits for an approval.
func (r *running) asks() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range slices.Backward(r.events) {
		switch ev := ev.Event.(type) {
		case engine.PhaseStarted:
			return true
		case engine.PhaseReady:
			return ev.Phase == "promote" || ev.Phase == "cleanup"
		case engine.RollbackStarted:
			return false
		}
	}
	return false
}

// leave leaves an attestation or approval to nobody.
func (r *running) leave(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = part
}

// goOn carries a run that exists on.
func (w *world) goOn(t testing.TB, id string, args ...string) *running {
	t.Helper()
	runs := w.runs(t)
	delete(runs, id)
	r := w.carry(t, runs, append([]string{"run", "--resume", id, "--plain"}, args...)...)
	r.answered()
	return r
}

// carry starts a segue that carries out a run that is not among old.
func (w *world) carry(t testing.TB, old map[string]bool, args ...string) *running {
	t.Helper()
	r := &running{t: t, w: w, cmd: w.command(context.WithoutCancel(t.Context()), args...), ended: make(chan struct{}), news: make(chan struct{}, 1)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // its exit code says the rest
		close(r.ended)
	}()
	t.Cleanup(r.kill)
	await(t, 20*time.Second, "the run to be in the journal", func() bool {
		if r.over() {
			t.Fatalf("segue %s has ended with exit code %d before it was a run:\n%s", strings.Join(args, " "), r.cmd.ProcessState.ExitCode(), r.text())
		}
		for id := range w.runs(t) {
			if !old[id] {
				r.id = id
			}
		}
		return r.id != ""
	})
	follow, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reader, err := sqlite.OpenReadOnly(follow, w.state)
	if err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		_ = reader.Follow(follow, r.id, w.last(r.id), r.take) // it ends with follow
	}()
	t.Cleanup(func() { stop(); <-followed; reader.Close() })
	return r
}

// last is the newest event that an earlier running of the same run has seen.
func (w *world) last(id string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seqs[id]
}

func (r *running) take(rec journal.Record) error {
	ev, err := engine.Unmarshal(rec.Type, rec.Version, rec.Data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.events = append(r.events, entry{rec, ev})
	r.mu.Unlock()
	r.w.mu.Lock()
	r.w.seqs[r.id] = max(r.w.seqs[r.id], rec.Seq)
	r.w.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	return nil
}

// on makes a part of a test the one that fails when the run does.
func (r *running) on(t testing.TB) { r.t = t }

func (r *running) kill() {
	if !r.over() {
		_ = r.cmd.Process.Signal(syscall.SIGCONT)
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// text is what it printed; only once it has ended.
func (r *running) text() string { return r.out.String() + r.err.String() }

const patience = 60 * time.Second

// until follows the journal from where it last stopped to an event.
func (r *running) until(what string, is func(entry) bool) entry {
	r.t.Helper()
	late := time.NewTimer(patience)
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
			late.Reset(time.Second)
		case <-late.C:
			r.t.Fatalf("waited in vain for %s; the journal:\n%s\n%s", what, r.tail(), r.printed())
		}
	}
}

func (r *running) printed() string {
	if r.over() {
		return r.text()
	}
	return r.w.segue(r.t, "why", r.id).String()
}

func (r *running) tail() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, ev := range r.events[max(0, len(r.events)-25):] {
		b.WriteString(ev.At.Format("15:04:05.000 ") + ev.Record.Type + " " + string(ev.Data[:min(len(ev.Data), 300)]) + "\n")
	}
	return b.String()
}

// end waits for the program's end and wants an exit code.
func (r *running) end(code int) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatalf("segue did not end; the journal:\n%s\n%s", r.tail(), r.printed())
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Fatalf("exit code %d, want %d:\n%s\n%s", got, code, r.tail(), r.text())
	}
}

// all returns the events of one kind, in order.
func all[E engine.Event](r *running) []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []entry
	for _, ev := range r.events {
		if _, ok := ev.Event.(E); ok {
			out = append(out, ev)
		}
	}
	return out
}

// is makes a condition of an event's kind and content.
func is[E engine.Event](ok func(E) bool) func(entry) bool {
	return func(ev entry) bool {
		e, right := ev.Event.(E)
		return right && (ok == nil || ok(e))
	}
}
