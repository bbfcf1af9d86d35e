package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Stop shuts the server down; its data stay.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server without a shutdown, as a crash does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
}

// Restart runs a stopped server again, on the same port and data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatalf("restart PostgreSQL: %v", err)
	}
}

// Copy copies the data of a stopped server. What it returns puts the copy in their
// place, as who goes back to a snapshot of the disk does; the server must be
// stopped then too.
func (s *Server) Copy(t testing.TB) (back func()) {
	t.Helper()
	copied := s.data() + ".copy"
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil { //nolint:gosec,noctx // of a test
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	run("cp", "-a", s.data(), copied)
	return func() {
		t.Helper()
		if err := os.RemoveAll(s.data()); err != nil {
			t.Fatal(err)
		}
		run("mv", copied, s.data())
	}
}

// Freeze stops the server and its sessions in their tracks: connections stay
// open and nothing is answered. It is thawed with the test at the latest.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	s.signal(syscall.SIGSTOP)
	t.Cleanup(func() { s.signal(syscall.SIGCONT) })
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) stop(how syscall.Signal) error {
	if s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(how)
	select {
	case <-s.gone:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("PostgreSQL on %s does not stop", s.Addr())
	}
}

// close ends the server and removes what it wrote.
func (s *Server) close() {
	if s.cmd != nil {
		s.signal(syscall.SIGCONT)
		_ = s.stop(syscall.SIGQUIT)
	}
	_ = os.RemoveAll(s.dir)
	if s.leash != nil {
		_ = s.leash.Close()
	}
}

// signal reaches the server and each of its sessions, which are sessions of
// the operating system too and so in no common process group.
func (s *Server) signal(sig syscall.Signal) {
	select {
	case <-s.gone:
		return
	default:
	}
	pid := s.cmd.Process.Pid
	_ = syscall.Kill(pid, sig)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, sig)
		}
	}
}
