// Package systemtest brings a whole system up for one test. It builds what the
// system needs into the checkout's bin/ first, so a test never runs against
// yesterday's services.
package systemtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/segue-run/segue/examples/lekiwi/system"
)

// Start brings a system up in a directory of its own and takes it down at the
// test's end, where it fails the test if something is left.
func Start(t testing.TB, opt system.Options) *system.System {
	t.Helper()
	opt.Bin = Bin(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	sys, err := system.Start(ctx, opt)
	if err != nil {
		t.Fatalf("start the system: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := sys.Stop(ctx); err != nil {
			t.Errorf("stop the system: %v", err)
		}
		if _, err := os.Stat(sys.Dir); !os.IsNotExist(err) {
			t.Errorf("the system left %s behind", sys.Dir)
		}
		for _, left := range Processes(sys.Dir) {
			t.Errorf("the system left a process behind: %s", left)
		}
	})
	return sys
}

// Processes are those that work in a directory, or have it in their command or
// their environment: other eyes than those of Down.
func Processes(dir string) (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, proc := range all {
		cwd, _ := os.Readlink(proc + "/cwd") // who has ended is gone
		command, _ := os.ReadFile(proc + "/cmdline")
		environ, _ := os.ReadFile(proc + "/environ")
		state, _ := os.ReadFile(proc + "/status")
		own := filepath.Base(proc) == strconv.Itoa(os.Getpid()) || bytes.Contains(state, []byte("State:\tZ"))
		if !own && (strings.HasPrefix(cwd, dir) || bytes.Contains(command, []byte(dir+"/")) || bytes.Contains(environ, []byte(dir))) {
			found = append(found, filepath.Base(proc)+" "+string(bytes.ReplaceAll(command, []byte{0}, []byte(" "))))
		}
	}
	return found
}

// Bin is the folder with lekiwi, segue and process-compose, built.
func Bin(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatalf("build what the system needs: %v", err)
	}
	return bin
}

var build = sync.OnceValues(func() (string, error) {
	_, self, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("this file's own place is unknown")
	}
	root := filepath.Join(filepath.Dir(self), "..", "..", "..", "..")
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil { //nolint:gosec // executables are no secret
		return "", err
	}
	// Several test binaries run at once, and so does make.
	lock := flock.New(filepath.Join(bin, ".lock"))
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	for _, args := range [][]string{
		{"build", "-o", filepath.Join(bin, "lekiwi"), "./examples/lekiwi"},
		{"build", "-o", filepath.Join(bin, "segue"), "./cmd/segue"}, // its tee
		{"-C", "tools", "build", "-o", filepath.Join(bin, "process-compose"), "github.com/f1bonacc1/process-compose/src"},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go %v: %w: %s", args, err, out)
		}
	}
	return bin, nil
})
