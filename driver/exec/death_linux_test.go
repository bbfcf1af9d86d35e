package exec

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestHelperRunsACommand is the process that the next test kills.
func TestHelperRunsACommand(t *testing.T) {
	dir := os.Getenv("SEGUE_TEST_HELPER_DIR")
	if dir == "" {
		return
	}
	_, _ = surroundings{Dir: dir}.run(t.Context(), []string{"sh", "-c", "echo $$ > pids; exec sleep 1000"})
}

func TestACommandDiesWithSegue(t *testing.T) {
	dir := t.TempDir()
	helper := exec.Command(os.Args[0], "-test.run=^TestHelperRunsACommand$") //nolint:gosec,noctx // this very test
	helper.Env = append(os.Environ(), "SEGUE_TEST_HELPER_DIR="+dir)
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	pids := waitForPids(t, filepath.Join(dir, "pids"))
	if err := helper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = helper.Wait()
	for _, pid := range pids {
		waitForEnd(t, pid)
	}
}
