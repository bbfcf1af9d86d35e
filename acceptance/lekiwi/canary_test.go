package acceptance_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
	"github.com/segue-run/segue/examples/lekiwi/system"
	"github.com/segue-run/segue/internal/soak"
)

func TestTheRunbooksAreRight(t *testing.T) {
	t.Parallel()
	s := runtest.New(t, nil)
	dir := filepath.Dir(runbookFile())
	for _, args := range [][]string{
		{runbookFile()},
		{runbookFile(), "--values", filepath.Join(dir, "demo.yaml")},
		append([]string{runbookFile()}, set()...),
	} {
		if out := s.Must(t, 0, append([]string{"lint"}, args...)...); strings.Contains(out.String(), "warning") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	for _, mend := range []string{"idle-connections", "more-connections", "old-robots", "more-memory", "more-waiting"} {
		s.Must(t, 0, "lint", filepath.Join(dir, "emergency.yaml"), "--set", "mend="+mend)
	}
}

// The short proof: a canary whose service dies is put back by itself, and
// nothing that was acknowledged is lost. It takes half a minute.
func TestACanaryIsPutBack(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable)
	}
	w := newWorld(t)
	w.burden(t, 300, 120, 100)
	r := w.segue.Begin(t, runbookFile(), set("canary-soak=10m", "dead-for=1s")...)
	r.Gate("canary")
	runtest.Check(t, w.sys.StopProcess(t.Context(), system.Instance(system.Teleoperation, 0)))
	tripped := r.Until("the guard", runtest.Is(func(ev engine.GuardTripped) bool { return ev.Do == "rollback" }))
	if g := tripped.Event.(engine.GuardTripped); g.Guard != "teleoperation-at-10" {
		t.Errorf("it was %s that tripped", g.Guard)
	}
	rolledBack(t, r, "canary_10")
	r.End(3)
	w.noted(t, "1", 0, 0)
	w.count(t, true)
}
