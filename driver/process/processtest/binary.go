package processtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// binary finds process-compose in the checkout's bin/, and builds it there if
// it is missing.
func binary() (string, error) {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("this package does not know where its source is")
	}
	root := filepath.Join(filepath.Dir(self), "..", "..", "..")
	path := filepath.Join(root, "bin", "process-compose")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	made := fmt.Sprintf("%s.%d", path, os.Getpid()) // others may be at it too
	build := exec.Command("go", "-C", filepath.Join(root, "tools"), "build", "-o", made, "github.com/f1bonacc1/process-compose/src")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build process-compose: %w: %s", err, out)
	}
	return path, os.Rename(made, path)
}
