package acceptance_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/journal"
	"github.com/segue-run/segue/journal/sqlite"
)

// stop stops the program (SIGSTOP), and not while it writes its journal: the
// others could not write either.
func (r *running) stop() {
	r.t.Helper()
	store, err := sqlite.Open(r.t.Context(), r.w.state)
	check(r.t, err)
	defer store.Close()
	writable := func(within time.Duration) bool {
		ctx, cancel := context.WithTimeout(r.t.Context(), within)
		defer cancel()
		_, err := store.Prune(ctx, r.id, time.Unix(0, 0)) // writes, and changes nothing
		if err != nil && !errors.Is(err, journal.ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
			r.t.Fatal(err)
		}
		return err == nil
	}
	for {
		check(r.t, r.cmd.Process.Signal(syscall.SIGSTOP))
		if writable(100 * time.Millisecond) {
			return
		}
		r.goesOn()
		if !writable(5 * time.Second) {
			r.t.Fatal("the journal stays locked")
		}
	}
}

// goesOn ends a stop.
func (r *running) goesOn() { check(r.t, r.cmd.Process.Signal(syscall.SIGCONT)) }

// successor: the program is stopped in the middle of the move for longer than
// its lease; another one takes over, and it comes back.
func (w *world) successor(t *testing.T) {
	const move = "vendor/move-vendor"
	first := w.begin(t, runbookFile(), append(set(), "--lease", "3s")...)
	// Its cursor is journaled from within the move, so that is under way.
	first.until("the move", is(func(ev engine.StepCursor) bool { return ev.Step == move }))
	first.stop()
	stopped := time.Now()
	second := w.goOn(t, first.id, "--wait", "--lease", "3s", "--as", "bob")
	taken := second.until("the second to take over", is(func(ev engine.Acquired) bool { return ev.Actor == "bob" }))
	t.Logf("taken over %s after the stop", taken.At.Sub(stopped).Round(time.Millisecond))
	first.goesOn()
	first.end(1)
	t.Logf("the first: %s", lastLine(first.err.String()))
	if !strings.Contains(first.err.String(), "the lease is lost") {
		t.Errorf("the first does not say that it lost the lease:\n%s", first.text())
	}
	late := second.until("word of the late effect", is(func(ev engine.SignalTaken) bool { return ev.Signal.Kind == engine.SignalLate }))
	if sig := late.Event.(engine.SignalTaken).Signal; sig.Of != move {
		t.Errorf("late is %s, not %s", sig.Of, move)
	}
	second.gate("vendor")
	w.oneWriter(t, first.id)
	now := w.look(t)
	standby := []string{event.StreamLegacy + "/" + event.DurableOura}
	if owner := now.Owner[event.SubjectOura]; owner != event.StreamVendor || !slices.Equal(now.Paused, standby) {
		t.Errorf("%s is with %s; paused: %v", event.SubjectOura, owner, now.Paused)
	}
	w.emergency(t, second)
}

// oneWriter wants the journal's epochs never to go back.
func (w *world) oneWriter(t *testing.T, id string) {
	reader, err := sqlite.OpenReadOnly(t.Context(), w.state)
	check(t, err)
	defer reader.Close()
	records, err := reader.Read(t.Context(), id, 0, 0)
	check(t, err)
	epoch, counts := int64(0), map[int64]int{}
	for _, rec := range records {
		if rec.Epoch < epoch {
			t.Errorf("event %d (%s) is of epoch %d, after one of %d", rec.Seq, rec.Type, rec.Epoch, epoch)
		}
		epoch = rec.Epoch
		counts[epoch]++
	}
	if counts[1] == 0 || counts[2] == 0 || len(counts) != 3 { // 0: its creation
		t.Errorf("events by epoch: %v", counts)
	}
	t.Logf("events by epoch: %v", counts)
}
