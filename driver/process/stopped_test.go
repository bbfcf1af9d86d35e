package process

import (
	"testing"
	"time"

	"github.com/segue-run/segue/driver/process/processtest"
)

func TestARightDefinitionThatNobodyRunsIsNotDone(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=multi")...)
	o.AwaitHealthy(t)
	a := envOf(t, connect(t, o), envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": "multi"}})
	if e := effectOf(t, a); len(diff(e.Before, e.Want)) > 0 {
		t.Errorf("something is to be done: %v", diff(e.Before, e.Want))
	}
	o.Stop(t, "web-1")
	e := effectOf(t, a)
	if got := fields(t, e.Before)["stopped"]; got != `["web-1"]` || len(diff(e.Before, e.Want)) != 1 {
		t.Fatalf("stopped: %s, to do: %v", got, diff(e.Before, e.Want))
	}
	_, err := a.Apply(t.Context(), e)
	check(t, err)
	o.AwaitHealthy(t)
	check(t, a.Undo(t.Context(), e))
	found, err := a.Observe(t.Context())
	check(t, err)
	if d := diff(e.Before, found); len(d) > 0 {
		t.Errorf("undo does not leave stopped who was: %v", d)
	}
}

func TestReplicasThatDifferedDifferAgain(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=single")...)
	o.AwaitHealthy(t)
	o.SetEnv(t, "web-1", "MODE", "other")
	o.AwaitHealthy(t)
	a := envOf(t, connect(t, o), envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": "multi"}})
	e := effectOf(t, a)
	_, err := a.Apply(t.Context(), e)
	check(t, err)
	check(t, a.Undo(t.Context(), e))
	for name, want := range map[string]string{"web-0": "single", "web-1": "other"} {
		if h, err := o.Ask(name); err != nil || h.Env["MODE"] != want {
			t.Errorf("%s runs with %q, want %q, %v", name, h.Env["MODE"], want, err)
		}
	}
}

// A service whose new environment breaks all of it is mended by undo at once,
// not after each replica has had its time.
func TestUndoMendsWhatIsBrokenAltogether(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "BROKEN=no")...)
	o.AwaitHealthy(t)
	a := envOf(t, connect(t, o), envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"BROKEN": "sick"}})
	e := effectOf(t, a)
	o.SetEnv(t, "web-0", "BROKEN", "sick")
	o.SetEnv(t, "web-1", "BROKEN", "sick")
	began := time.Now()
	check(t, a.Undo(t.Context(), e))
	for _, name := range []string{"web-0", "web-1"} {
		if _, err := o.Ask(name); err != nil {
			t.Error(err)
		}
	}
	t.Logf("undo of two broken replicas took %s", time.Since(began).Round(time.Millisecond))
}
