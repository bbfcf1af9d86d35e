// Package haproxytest runs Debian's HAProxy for tests: unprivileged, on free
// loopback ports, in a directory of its own, with two real sides behind it.
package haproxytest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/edge/edgetest"
)

// A Server is a HAProxy that splits by a map.
type Server struct {
	*edgetest.Program
	Legacy, New *edgetest.Side
	Addr        string // of the frontend
	Socket      string // of the runtime API
	Map         string // the file
}

// Start runs one until the test ends. lines are the frontend's, made for the
// path of the map.
func Start(t testing.TB, lines func(file string) string) *Server {
	t.Helper()
	s := &Server{
		Program: edgetest.NewProgram(t),
		Legacy:  edgetest.NewSide(t, "legacy"), New: edgetest.NewSide(t, "new"),
		Addr: edgetest.Addr(t),
	}
	s.Socket, s.Map = filepath.Join(s.Dir, "admin.sock"), filepath.Join(s.Dir, "split.map")
	s.Write(t, "split.map", "# shares in hundredths of a percent\nnew 0 \n")
	s.Write(t, "haproxy.cfg", fmt.Sprintf(`global
    stats socket %s mode 600
    maxconn 2000
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
frontend edge
    bind %s
    %s
backend legacy
    server legacy %s
backend new
    server new %s
`, s.Socket, s.Addr, strings.ReplaceAll(lines(s.Map), "\n", "\n    "), s.Legacy.Addr(), s.New.Addr()))
	s.Launch(t)
	return s
}

// Launch runs it, again after it was killed.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	s.Run(t, func() error {
		if err := edgetest.Dials("unix", s.Socket); err != nil {
			return err
		}
		return edgetest.Dials("tcp", s.Addr)
	}, "haproxy", "-db", "-f", filepath.Join(s.Dir, "haproxy.cfg"))
}
