// Package nginxtest runs Debian's NGINX for tests: unprivileged, on free
// loopback ports, in a directory of its own, with two real sides behind it.
package nginxtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/edge/edgetest"
)

// A Server is an NGINX that includes what Segue writes.
type Server struct {
	*edgetest.Program
	Legacy, New *edgetest.Side
	Addr        string // where clients come in
	Control     string // a free port
	Config      string
	Segue       string // the directory of Segue's files
}

// An Option changes the configuration before NGINX starts.
type Option func(text string) string

// Replacing replaces a part of the configuration.
func Replacing(old, by string) Option {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic("nginxtest: the configuration does not hold " + old)
		}
		return strings.ReplaceAll(text, old, by)
	}
}

// Start runs one until the test ends. It passes all requests to the old side:
// its configuration does not use the split yet. Split makes it do so.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := New(t, options...)
	s.Launch(t)
	return s
}

// New writes the configuration of one, which Launch runs.
func New(t testing.TB, options ...Option) *Server {
	t.Helper()
	s := &Server{
		Program: edgetest.NewProgram(t),
		Legacy:  edgetest.NewSide(t, "legacy"), New: edgetest.NewSide(t, "new"),
		Addr:    edgetest.Addr(t),
		Control: edgetest.Addr(t),
	}
	s.Config, s.Segue = filepath.Join(s.Dir, "nginx.conf"), filepath.Join(s.Dir, "segue")
	s.Write(t, "segue/.keep", "")
	s.Write(t, "logs/.keep", "")
	text := fmt.Sprintf(`daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log %[1]s/logs/error.log;
events { worker_connections 1024; }
http {
    access_log %[1]s/logs/access.log;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    upstream legacy { server %[2]s; keepalive 32; }
    upstream new { server %[3]s; keepalive 32; }
    map $http_upgrade $connection_upgrade { "" ""; default upgrade; }
    include segue/*.http.conf;
    server {
        listen %[4]s;
        keepalive_requests 100000;
        include segue/*.server.conf;
        location / {
            proxy_pass http://legacy;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $host;
        }
    }
}
`, s.Dir, s.Legacy.Addr(), s.New.Addr(), s.Addr)
	for _, o := range options {
		text = o(text)
	}
	s.Write(t, "nginx.conf", text)
	return s
}

// Split passes requests to the side that the split edge gives.
var Split = Replacing("proxy_pass http://legacy;", "proxy_pass http://$segue_edge;")

var errNoMaster = errors.New("it is no master yet")

// Launch runs it, again after it was killed.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	_ = os.Remove(filepath.Join(s.Dir, "nginx.pid"))
	s.Run(t, func() error {
		// It makes the file before it writes its number into it, and is called its
		// master later still.
		pid, err := os.ReadFile(filepath.Join(s.Dir, "nginx.pid"))
		if err != nil {
			return err
		}
		title, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "cmdline")) //nolint:gosec // its own pid file
		if err != nil || !strings.HasPrefix(string(title), "nginx: master") {
			return fmt.Errorf("process %q is called %q: %w", pid, title, errors.Join(err, errNoMaster))
		}
		return edgetest.Dials("tcp", s.Addr)
	}, "/usr/sbin/nginx", "-c", s.Config)
}

// Edit changes the configuration, and does not tell NGINX.
func (s *Server) Edit(t testing.TB, option Option) {
	t.Helper()
	text, err := os.ReadFile(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	s.Write(t, "nginx.conf", option(string(text)))
}

// ErrorLog is what NGINX has complained of.
func (s *Server) ErrorLog(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.Dir, "logs", "error.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
