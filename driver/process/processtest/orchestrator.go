package processtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Orchestrator is a running process-compose.
type Orchestrator struct {
	API string // unix:///…/pc.sock
	Dir string

	cmd       *exec.Cmd
	gone      chan struct{} // closed when cmd has ended
	out       bytes.Buffer  // read only after gone
	originals map[string]json.RawMessage
}

// Process is one process of the project, as process-compose's file has it.
type Process struct {
	Name        string            `json:"-"`
	Namespace   string            `json:"namespace,omitempty"`
	Entrypoint  []string          `json:"entrypoint,omitempty"`
	Command     string            `json:"command,omitempty"` // for the shell
	Environment []string          `json:"environment,omitempty"`
	Replicas    int               `json:"replicas,omitempty"`
	Readiness   map[string]any    `json:"readiness_probe,omitempty"`
	Restart     map[string]string `json:"availability,omitempty"`
	Shutdown    map[string]int    `json:"shutdown,omitempty"`
	DependsOn   map[string]any    `json:"depends_on,omitempty"`
	Disabled    bool              `json:"disabled,omitempty"` // until somebody starts it
}

// Start starts process-compose with these processes and returns when all of
// them run.
func Start(t testing.TB, processes ...Process) *Orchestrator {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pc") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := &Orchestrator{API: "unix://" + filepath.Join(dir, "pc.sock"), Dir: dir, gone: make(chan struct{}), originals: map[string]json.RawMessage{}}
	o.write(t, processes)
	o.cmd = exec.Command(path, "--config", filepath.Join(dir, "project.yaml"), "--tui=false", "--keep-project",
		"--disable-dotenv", "--slow-ref-rate=1h", "--use-uds", "--unix-socket", filepath.Join(dir, "pc.sock"), "--log-file", filepath.Join(dir, "pc.log"))
	o.cmd.Dir, o.cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8"}
	o.cmd.Stdout, o.cmd.Stderr = &o.out, &o.out
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := o.cmd.Start(); err != nil {
		t.Fatalf("start process-compose: %v", err)
	}
	go func() {
		_ = o.cmd.Wait()
		close(o.gone)
	}()
	t.Cleanup(func() {
		select {
		case <-o.gone:
			t.Errorf("process-compose ended before its test: %s", o.out.String())
		default:
			o.stop()
		}
	})
	Await(t, "process-compose and its processes", func() error { return o.up() })
	for _, s := range o.list() {
		o.originals[s.Name] = o.Definition(t, s.Name)
	}
	return o
}

func (o *Orchestrator) write(t testing.TB, processes []Process) {
	t.Helper()
	project := map[string]any{"version": "0.5", "disable_env_expansion": true, "log_level": "info"}
	all := map[string]Process{}
	for _, p := range processes {
		if p.Shutdown == nil {
			p.Shutdown = map[string]int{"timeout_seconds": 5}
		}
		all[p.Name] = p
	}
	project["processes"] = all
	raw, err := json.Marshal(project)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "project.yaml"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// up reports whether everything has been started.
func (o *Orchestrator) up() error {
	select {
	case <-o.gone:
		return fmt.Errorf("process-compose has ended: %s", o.out.String())
	default:
	}
	all := o.list()
	if len(all) == 0 {
		return fmt.Errorf("process-compose does not answer")
	}
	for _, s := range all {
		if s.Status == "Pending" || s.Status == "Launching" {
			return fmt.Errorf("%s is %s", s.Name, s.Status)
		}
	}
	return nil
}

// stop ends the processes and process-compose, asked or not.
func (o *Orchestrator) stop() {
	left := o.list()
	_ = o.call("POST", "/project/stop", nil, nil)
	select {
	case <-o.gone:
		return
	case <-time.After(3 * time.Second):
	}
	_ = o.cmd.Process.Kill()
	<-o.gone
	for _, s := range left {
		if s.Running {
			_ = syscall.Kill(-s.PID, syscall.SIGKILL)
		}
	}
}

// Log is process-compose's own log.
func (o *Orchestrator) Log() string {
	raw, err := os.ReadFile(filepath.Join(o.Dir, "pc.log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(raw))
}
