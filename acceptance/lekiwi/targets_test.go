package acceptance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

// A place is where a target leads: what each side serves there, and what
// migration_config.yaml says.
type place struct {
	target string
	served string
	phase  string
	canary float64
	flags  int // that are on
	within time.Duration
}

func places() map[string][]place {
	canary := place{"canary_10", "none-served", "1", 0, 0, time.Minute}
	quarter := place{"rollout_25", "tenth-served", "2", 10, 2, 2 * time.Minute}
	half := place{"rollout_50", "quarter-served", "3", 25, 2, 2 * time.Minute}
	full := place{"full_100", "half-served", "4", 50, 4, 5 * time.Minute}
	return map[string][]place{
		"canary":  {canary},
		"quarter": {quarter, canary},
		"half":    {half, quarter, canary},
		"full":    {full, half, quarter, canary},
	}
}

// Each target is reached from each phase that has come as far, and the run goes
// on from there; an emergency ends it, from every phase.
func TestEachTargetFromEachPhase(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 1000, 250, 60)
	for _, phase := range []string{"canary", "quarter", "half", "full"} {
		r := w.segue.Begin(t, runbookFile(), set(phase+"-soak=10m")...)
		if phase == "canary" {
			r.Gate(phase)
			got := w.segue.Call(t, "rollback", "full_100", "--run", r.ID, "--as", "dora")
			if got.Code == 0 || !strings.Contains(got.String(), "has not started") {
				t.Errorf("a target that is further on: exit %d: %s", got.Code, got)
			}
		}
		for _, p := range places()[phase] {
			ok := t.Run(p.target+" from "+phase, func(t *testing.T) {
				r.On(t)
				if phase != "canary" {
					r.Gate(phase)
				}
				w.goesTo(t, r, p)
			})
			if !ok {
				return
			}
			w.segue.Must(t, 0, "resume", "--run", r.ID, "--wait", "0s", "--as", "dora")
			r = w.segue.GoOn(t, r.ID)
		}
		if !t.Run("emergency from "+phase, func(t *testing.T) { r.On(t); r.Gate(phase); w.emergency(t, r) }) {
			return
		}
	}
	w.count(t, true)
}

func (w *world) goesTo(t *testing.T, r *runtest.Run, p place) {
	w.segue.Must(t, 0, "rollback", p.target, "--run", r.ID, "--as", "dora")
	start, end := rolledBack(t, r, p.target)
	r.End(3)
	took := end.At.Sub(start.At)
	if took > p.within {
		t.Errorf("it took %s, promised are %s", took, p.within)
	}
	w.noted(t, p.phase, p.canary, p.flags)
	w.served(t, p.served)
	t.Logf("verified after %s", took.Round(10*time.Millisecond))
}

// noted wants migration_config.yaml to say this.
func (w *world) noted(t *testing.T, phase string, canary float64, flags int) {
	t.Helper()
	raw, err := os.ReadFile(w.sys.Env.MigrationConfig)
	runtest.Check(t, err)
	c, err := rollout.Parse(raw)
	runtest.Check(t, err)
	on := 0
	for _, is := range c.On {
		if is {
			on++
		}
	}
	if c.Phase != phase || c.Canary != canary || on != flags {
		t.Errorf("phase %s, canary %v, %d flags; want %s, %v, %d", c.Phase, c.Canary, on, phase, canary, flags)
	}
}

// emergency wants everything back at once: the new services stopped, the cache
// empty, and nobody on the new side.
func (w *world) emergency(t *testing.T, r *runtest.Run) {
	w.segue.Must(t, 0, "rollback", "emergency", "--run", r.ID, "--as", "dora")
	start, end := rolledBack(t, r, "emergency")
	r.End(3)
	if got := w.segue.StatusOf(t, r.ID); got != engine.RolledBackStatus {
		t.Errorf("the run is %s", got)
	}
	w.noted(t, "0", 0, 0)
	all, err := w.sys.Processes(t.Context())
	runtest.Check(t, err)
	for _, p := range all {
		switch p.Service {
		case system.Discovery, system.State, system.Monitor, system.Teleoperation:
			if p.IsRunning {
				t.Errorf("%s runs", p.Name)
			}
		}
	}
	t.Logf("verified after %s", end.At.Sub(start.At).Round(10*time.Millisecond))
}

// The first phase has a way back of its own; and a split that somebody has
// edited by hand is no obstacle to it, or to any other.
func TestPhaseOneAndASplitThatWasEdited(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 1000, 250, 60)
	t.Run("phase 1 is put back", func(t *testing.T) {
		r := w.segue.Begin(t, runbookFile(), set("parallel-soak=10m")...)
		r.Gate("parallel")
		w.segue.Must(t, 0, "rollback", "parallel", "--run", r.ID, "--as", "dora")
		rolledBack(t, r, "parallel")
		r.End(3)
		w.segue.Must(t, 0, "rollback", "--run", r.ID, "--wait", "0s", "--as", "dora")
		r = w.segue.GoOn(t, r.ID)
		rolledBack(t, r, "start")
		r.End(3)
	})
	t.Run("a split that was edited is rolled over", func(t *testing.T) {
		r := w.segue.Begin(t, runbookFile(), set("half-soak=10m")...)
		r.Gate("half")
		dir := filepath.Join(filepath.Dir(w.sys.Env.NGINXConf), "segue")
		runtest.Check(t, os.Remove(filepath.Join(dir, "edge.share")))
		file, err := os.OpenFile(filepath.Join(dir, "edge.http.conf"), os.O_APPEND|os.O_WRONLY, 0)
		runtest.Check(t, err)
		_, err = file.WriteString("# by hand\n")
		runtest.Check(t, err)
		runtest.Check(t, file.Close())
		w.segue.Must(t, 0, "rollback", "canary_10", "--run", r.ID, "--as", "dora")
		rolledBack(t, r, "canary_10")
		r.End(3)
		w.noted(t, "1", 0, 0)
		w.served(t, "none-served")
	})
	w.count(t, true)
}
