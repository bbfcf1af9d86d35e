package acceptance_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
)

// What drives segue is runtest's.
type (
	running = runtest.Run
	entry   = runtest.Entry
	result  = runtest.Result
)

func all[E engine.Event](r *running) []entry              { return runtest.All[E](r) }
func is[E engine.Event](ok func(E) bool) func(entry) bool { return runtest.Is(ok) }

// begin starts a run of a runbook; people answer what it asks.
func (w *world) begin(t testing.TB, file string, args ...string) *running {
	t.Helper()
	return w.program.Begin(t, file, args...)
}

// goOn carries a run that exists on.
func (w *world) goOn(t testing.TB, id string, args ...string) *running {
	t.Helper()
	return w.program.GoOn(t, id, args...)
}

// command is a call of segue under the environment of both systems.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	return w.program.Command(ctx, args...)
}

// segue calls the program and waits for its end.
func (w *world) segue(t testing.TB, args ...string) result {
	t.Helper()
	return w.program.Call(t, args...)
}

// must wants an exit code.
func (w *world) must(t testing.TB, code int, args ...string) result {
	t.Helper()
	return w.program.Must(t, code, args...)
}

func await(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	runtest.Await(t, within, what, holds)
}

func check(t testing.TB, err error) {
	t.Helper()
	runtest.Check(t, err)
}
