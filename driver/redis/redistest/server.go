// Package redistest runs Debian's Redis for tests: unprivileged, on a socket
// and on a free loopback port, in a directory of its own.
package redistest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Password opens every server of this package. It asks to be escaped in a URL,
// so that tests find where it is not.
const Password = "rd/secret+of tests" //nolint:gosec // of throw-away servers

// A Server is one throw-away Redis.
type Server struct {
	Dir, Config string
	port        int
	cmd         *exec.Cmd
	gone        chan struct{}
}

// Start runs one until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "rd") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Dir: dir, Config: filepath.Join(dir, "redis.conf")}
	leash, err := watch(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(dir)
		_ = leash.Close()
	})
	for try := 0; ; try++ { // another may take the port before the server does
		if s.port, err = freePort(); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("# of a test\nport %d\nbind 127.0.0.1\nunixsocket %s/redis.sock\npidfile %s/redis.pid\ndir %s\nsave \"\"\nrequirepass \"%s\"\nmaxmemory 64mb\n", s.port, dir, dir, dir, Password)
		if err := os.WriteFile(s.Config, []byte(text), 0o644); err != nil { //nolint:gosec // the server runs as another user
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			for _, path := range []string{dir, s.Config} {
				if err := os.Chown(path, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err = s.launch(); err == nil {
			return s
		} else if try == 3 {
			t.Fatalf("start Redis: %v", err)
		}
	}
}

const nobody = 65534

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// watch ends the server and removes its directory when this process has died
// without doing so.
func watch(dir string) (io.Closer, error) {
	const wait = `cat; if [ -f "$0/redis.pid" ]; then kill -KILL "$(cat "$0/redis.pid")"; rm -rf "$0"; fi`
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

func (s *Server) launch() error {
	cmd := exec.Command("redis-server", s.Config) //nolint:gosec // Debian's own binary
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run redis-server (Debian's package redis-server): %w", err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	s.cmd, s.gone = cmd, gone
	client := redis.NewClient(s.options())
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) options() *redis.Options {
	return &redis.Options{
		Network: "unix", Addr: filepath.Join(s.Dir, "redis.sock"), Password: Password, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// Client is one of the server's, for the test itself.
func (s *Server) Client(t testing.TB) *redis.Client {
	c := redis.NewClient(s.options())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// URL opens a database over TCP.
func (s *Server) URL(db int) string {
	return fmt.Sprintf("redis://%s@127.0.0.1:%d/%d", url.UserPassword("", Password), s.port, db)
}

// SocketURL opens a database over the socket.
func (s *Server) SocketURL(db int) string {
	return fmt.Sprintf("unix://%s@%s/redis.sock?db=%d", url.UserPassword("", Password), s.Dir, db)
}

// Stop ends it, as a crash does.
func (s *Server) Stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
}

// Restart runs a stopped one again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatalf("restart Redis: %v", err)
	}
}

// Freeze stops it in its tracks until the test ends, or Thaw.
func (s *Server) Freeze(t testing.TB) {
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	t.Cleanup(s.Thaw)
}

// Thaw lets a frozen one go on.
func (s *Server) Thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }
