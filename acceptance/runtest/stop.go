package runtest

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
)

// Stop stops the program (SIGSTOP), and not while it writes its journal: the
// others could not write either.
func (r *Run) Stop() {
	r.t.Helper()
	store, err := sqlite.Open(r.t.Context(), r.segue.State)
	Check(r.t, err)
	defer store.Close()
	writable := func(within time.Duration) bool {
		ctx, cancel := context.WithTimeout(r.t.Context(), within)
		defer cancel()
		_, err := store.Prune(ctx, r.ID, time.Unix(0, 0)) // writes, and changes nothing
		if err != nil && !errors.Is(err, journal.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
			r.t.Fatal(err)
		}
		return err == nil
	}
	for {
		Check(r.t, r.cmd.Process.Signal(syscall.SIGSTOP))
		if writable(100 * time.Millisecond) {
			return
		}
		r.GoesOn()
		if !writable(5 * time.Second) {
			r.t.Fatal("the journal stays locked")
		}
	}
}

// GoesOn ends a stop.
func (r *Run) GoesOn() { Check(r.t, r.cmd.Process.Signal(syscall.SIGCONT)) }

// Signal sends one to the program.
func (r *Run) Signal(s syscall.Signal) { Check(r.t, r.cmd.Process.Signal(s)) }

// Said is what it printed as errors; only once it has ended.
func (r *Run) Said() string { return r.err.String() }
