package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C in the middle of a step leaves the run in order, and what the step's
// command was doing at its beginning: to resume does it.
func TestCtrlCInTheMiddleOfAStep(t *testing.T) {
	c := newCLI(t)
	file := filepath.Join(c.dir, "a")
	if err := os.WriteFile(file, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.file("slow.yaml", `segue: v1
name: slow
phases:
  - name: only
    steps:
      - name: Write it
        timeout: 40s
        exec: {do: [sh, -c, "touch begun; test -e quick || sleep 30; echo new > a"], undo: [sh, -c, "echo old > a"], observe: [cat, a], want: new, dir: "`+c.dir+`", timeout: 35s}
`)
	cmd := c.command("run", "slow.yaml", "--plain")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		if _, err := os.Stat(filepath.Join(c.dir, "begun")); err == nil {
			break
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatal("the step did not begin")
		}
	}
	asked := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }).Stop()
	_ = cmd.Wait() // its exit code is looked at below
	if code, took := cmd.ProcessState.ExitCode(), time.Since(asked); code != codeWaiting || took > 5*time.Second || !strings.Contains(out.String(), "segue run --resume") {
		t.Fatalf("exit %d after %s\n%s", code, took, out.String())
	}
	c.file("quick", "")
	if r := c.run("run", "--resume", "--plain"); r.code != codeDone {
		t.Fatalf("resumed: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "new\n" {
		t.Errorf("%q, %v", text, err)
	}
}
