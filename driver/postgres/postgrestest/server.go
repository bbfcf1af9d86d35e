package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// User and Password open every server of this package. The password asks to
// be escaped in a URL, so that tests find where it is not.
const (
	User     = "segue"
	Password = "pg/secret+of tests" //nolint:gosec // of throw-away servers
)

// A Server is one throw-away PostgreSQL on a free loopback port.
type Server struct {
	dir  string
	bin  string
	port int
	cred *syscall.Credential

	settings []string

	leash io.Closer // while it is open, the watch lets the server live

	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
	log  bytes.Buffer  // read only after gone
}

// Start starts a server that only this test uses, and ends it with the test.
// Settings are such as "max_connections=10".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := start(settings...)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(s.close)
	return s
}

func start(settings ...string) (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// A short path: a socket's may have 107 bytes.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return nil, fmt.Errorf("directory of the server: %w", err)
	}
	s := &Server{dir: dir, bin: bin, settings: settings}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		const nobody = 65534
		s.cred = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			return nil, fmt.Errorf("directory of the server: %w", err)
		}
	}
	if s.leash, err = watch(dir); err != nil {
		return nil, err
	}
	pw := filepath.Join(dir, "pw")
	if err := os.WriteFile(pw, []byte(Password), 0o644); err != nil { //nolint:gosec // in a directory of mode 0700
		return nil, fmt.Errorf("password file: %w", err)
	}
	initdb := s.command("initdb", "--pgdata="+s.data(), "--username="+User, "--pwfile="+pw,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	return s, s.launch()
}

// watch ends the server and removes its directory when this process has died
// without doing so: killed, or out of its time.
func watch(dir string) (io.Closer, error) {
	const wait = `cat; kill -QUIT $(head -n 1 "$0/data/postmaster.pid"); rm -rf "$0"`
	cmd := exec.Command("sh", "-c", wait, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no Ctrl-C of ours reaches it
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch over the server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watch over the server: %w", err)
	}
	go func() { _ = cmd.Wait() }()
	return leash, nil
}

// binaries is the directory of the newest PostgreSQL that Debian installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		return "", errors.New("no /usr/lib/postgresql/*/bin/postgres: install Debian's package postgresql")
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(found[len(found)-1]), nil
}

func version(postgres string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(postgres))))
	return n
}

func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...) //nolint:gosec // Debian's own binaries
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

// launch runs the server and waits until it answers.
func (s *Server) launch() error {
	s.log.Reset()
	args := []string{
		"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off",
		"-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c", "max_connections=40", "-c", "jit=off",
		"-c", "wal_level=logical", "-c", "max_replication_slots=100", "-c", "max_wal_senders=100",
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := s.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run postgres: %w", err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	s.cmd, s.gone = cmd, gone
	return s.ready()
}

func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.gone:
			return fmt.Errorf("postgres ended: %s", s.log.String())
		case <-ctx.Done():
			return fmt.Errorf("postgres does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// URL opens the named database over TCP.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(User, Password),
		Host: s.Addr(), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// SocketURL opens the named database over the server's Unix socket: the same
// database by another address.
func (s *Server) SocketURL(database string) string {
	q := url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}
