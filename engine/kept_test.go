package engine_test

import (
	"testing"
	"time"

	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

// A rollback asks people to clear away what it kept: when they have, the run
// must not take that for drift. All else is still compared.
func TestWhatWasKeptIsNotComparedAnyMore(t *testing.T) {
	s := engine.New()
	left := state.Face{"stream": {"exists": []byte("true"), "subjects": []byte("[]")}, "consumer": {"exists": []byte("true")}}
	for _, ev := range []engine.Event{
		engine.StepIntent{Step: "p/a", Attempt: 1, Want: left},
		engine.StepDone{Step: "p/a", After: left, Changed: true},
		engine.RollbackStarted{Target: "start", Undo: []string{"p/a"}},
		engine.UndoDone{Step: "p/a", Left: left, Kept: &engine.Kept{Fields: map[string][]string{"stream": {"exists"}, "consumer": {"*"}}}},
	} {
		s.Fold(&runbook.Runbook{}, ev, time.Now())
	}
	want := state.Face{"stream": {"subjects": []byte("[]")}}
	if !s.Left.Equal(want) {
		t.Errorf("compared from now on: %s, want %s", s.Left, want)
	}
	if len(left["stream"]) != 2 || len(left["consumer"]) != 1 {
		t.Error("the event itself was changed")
	}
}
