package acceptance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/journal/sqlite"
)

// successor: the program is stopped in the middle of the move for longer than
// its lease; another one takes over, and it comes back.
func (w *world) successor(t *testing.T) {
	const move = "vendor/move-vendor"
	first := w.begin(t, runbookFile(), append(set(), "--lease", "3s")...)
	// Its cursor is journaled from within the move, so that is under way.
	first.Until("the move", is(func(ev engine.StepCursor) bool { return ev.Step == move }))
	first.Stop()
	stopped := time.Now()
	second := w.goOn(t, first.ID, "--wait", "--lease", "3s", "--as", "bob")
	taken := second.Until("the second to take over", is(func(ev engine.Acquired) bool { return ev.Actor == "bob" }))
	t.Logf("taken over %s after the stop", taken.At.Sub(stopped).Round(time.Millisecond))
	first.GoesOn()
	first.End(1)
	t.Logf("the first: %s", lastLine(first.Said()))
	if !strings.Contains(first.Said(), "the lease is lost") {
		t.Errorf("the first does not say that it lost the lease:\n%s", first.Text())
	}
	late := second.Until("word of the late effect", is(func(ev engine.SignalTaken) bool { return ev.Signal.Kind == engine.SignalLate }))
	if sig := late.Event.(engine.SignalTaken).Signal; sig.Of != move {
		t.Errorf("late is %s, not %s", sig.Of, move)
	}
	second.Gate("vendor")
	w.oneWriter(t, first.ID)
	now := w.look(t)
	standby := []string{event.StreamLegacy + "/" + event.DurableOura}
	if owner := now.Owner[event.SubjectOura]; owner != event.StreamVendor || !slices.Equal(now.Paused, standby) {
		t.Errorf("%s is with %s; paused: %v", event.SubjectOura, owner, now.Paused)
	}
	w.emergency(t, second)
}

// oneWriter wants the journal's epochs never to go back.
func (w *world) oneWriter(t *testing.T, id string) {
	reader, err := sqlite.OpenReadOnly(t.Context(), w.program.State)
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
