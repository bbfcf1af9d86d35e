package acceptance_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/acceptance/runtest"
	"github.com/segue-run/segue/engine"
)

// twoRuns: the second, begun elsewhere and under another name, wants a stream
// that the first one writes.
func (w *world) twoRuns(t *testing.T) {
	first := w.begin(t, runbookFile(), set("dlq-soak=10m")...)
	first.Until("the first gate", is[engine.GateOpened](nil))

	text, err := os.ReadFile(runbookFile())
	check(t, err)
	elsewhere := t.TempDir()
	other := strings.Replace(string(text), "\nname: athlete-ally-topology\n", "\nname: somebody-elses\n", 1)
	check(t, os.WriteFile(filepath.Join(elsewhere, "other.yaml"), []byte(other), 0o600))
	before := w.look(t)
	cmd := w.command(context.WithoutCancel(t.Context()), append([]string{"run", "other.yaml", "--plain", "--as", "bob"}, set()...)...)
	cmd.Dir = elsewhere
	second := runtest.Finish(t, cmd)
	t.Logf("the second run: exit %d: %s", second.Code, lastLine(second.Err))
	if second.Code != 1 || !strings.Contains(second.Err, "is claimed by run "+first.ID+" of athlete-ally-topology") {
		t.Errorf("the second run: exit %d:\n%s", second.Code, second)
	}
	if now := w.look(t); asJSON(now) != asJSON(before) {
		t.Errorf("the second run has touched something")
	}
	if first.Over() || w.statusOf(t, first.ID) != engine.Running || len(all[engine.Paused](first))+len(all[engine.Acquired](first)) != 1 {
		t.Errorf("the first run was disturbed:\n%s", first.Tail())
	}
	w.must(t, 0, "rollback", "--run", first.ID, "--as", "dora")
	first.End(3)
	w.restored(t, w.before, first)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
