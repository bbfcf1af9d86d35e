package edgetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Program is a server that a test runs, unprivileged, in a directory of its
// own, which goes with it.
type Program struct {
	Dir string

	cred  *syscall.Credential
	leash io.Closer // while it is open, the watch lets the program live
	cmd   *exec.Cmd
	gone  chan struct{}
	log   lockedBuffer
}

// NewProgram makes the directory; Run runs the program in it.
func NewProgram(t testing.TB) *Program {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{Dir: dir}
	if os.Geteuid() == 0 {
		const nobody = 65534
		p.cred = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(p.close)
	if p.leash, err = watch(dir); err != nil {
		t.Fatal(err)
	}
	return p
}

// watch ends the program and removes its directory when this process has died
// without doing so.
func watch(dir string) (io.Closer, error) {
	const wait = `cat; if [ -f "$0/run.pid" ]; then kill -KILL -- "-$(cat "$0/run.pid")"; rm -rf "$0"; fi`
	cmd := exec.Command("sh", "-c", wait, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = cmd.Wait() }()
	return leash, nil
}

// Command is one of the program's kind, in its directory and by its user.
func (p *Program) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:gosec // Debian's own binaries
	cmd.Dir = p.Dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setpgid: true}
	return cmd
}

// Write puts a file of the program's user into the directory.
func (p *Program) Write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(p.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the program runs as another user
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	if p.cred != nil {
		for _, path := range []string{filepath.Dir(path), path} {
			if err := os.Chown(path, int(p.cred.Uid), int(p.cred.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return path
}

// Run runs the program until it is stopped, and returns once ready says nil.
func (p *Program) Run(t testing.TB, ready func() error, name string, args ...string) {
	t.Helper()
	cmd := p.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		t.Fatalf("run %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "run.pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	p.cmd, p.gone = cmd, gone
	Await(t, name+" to be ready", func() error {
		select {
		case <-gone:
			return fmt.Errorf("it ended: %s", p.Log())
		default:
			return ready()
		}
	})
}

// PID is the program's process.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Log is what the program has said so far.
func (p *Program) Log() string { return p.log.String() }

// Signal sends a signal to the program's first process.
func (p *Program) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Gone is closed once the program has ended.
func (p *Program) Gone() <-chan struct{} { return p.gone }

// Kill ends it and all it has started.
func (p *Program) Kill() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.gone
}

func (p *Program) close() {
	p.Kill()
	_ = os.RemoveAll(p.Dir)
	if p.leash != nil {
		_ = p.leash.Close()
	}
}

// Await asks until the answer is nil, for half a minute at most.
func Await(t testing.TB, what string, ask func() error) {
	t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("waited for %s in vain: %v", what, err)
		}
	}
}

// Dials reports whether somebody listens.
func Dials(network, addr string) error {
	c, err := net.Dial(network, addr)
	if err != nil {
		return err
	}
	return c.Close()
}

type lockedBuffer struct {
	mu  sync.Mutex
	raw []byte
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.raw = append(b.raw, p...)
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.raw)
}
