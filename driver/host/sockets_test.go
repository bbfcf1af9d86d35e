package host

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// listen is a server with n clients, on one address of the loopback.
func listen(t *testing.T, network, addr string, n int) (port int, clients []net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil && network == "tcp6" {
		t.Skip("no IPv6 on this machine")
	}
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	for range n {
		c, err := net.Dial(network, l.Addr().String())
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		s, err := l.Accept()
		check(t, err)
		t.Cleanup(func() { _ = s.Close() })
		clients = append(clients, c)
	}
	return l.Addr().(*net.TCPAddr).Port, clients
}

func TestSocketsOfAPortAreCounted(t *testing.T) {
	for network, addr := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"} {
		t.Run(network, func(t *testing.T) {
			port, clients := listen(t, network, addr, 7)
			is := func(what string, verdict evidence.Verdict, p socketsParams) {
				t.Helper()
				p.Port = port
				check(t, p.Validate())
				want(t, what, verdict, newSockets(p, kernel{}).Read(t.Context()))
			}
			is("fewer than eight", evidence.Pass, socketsParams{Fewer: new(8)})
			is("fewer than seven", evidence.Fail, socketsParams{Fewer: new(7)})
			is("at least seven", evidence.Pass, socketsParams{AtLeast: new(7)})
			is("at least eight", evidence.Fail, socketsParams{AtLeast: new(8)})
			is("one who listens", evidence.Pass, socketsParams{States: []string{"listen"}, AtLeast: new(1), Fewer: new(2)})
			is("of the other side", evidence.Pass, socketsParams{Side: "remote", AtLeast: new(7), Fewer: new(8)})
			check(t, clients[0].Close())
			until(t, evidence.Pass, newSockets(socketsParams{Port: port, States: []string{"close-wait"}, AtLeast: new(1)}, kernel{}))
			until(t, evidence.Pass, newSockets(socketsParams{Port: port, Fewer: new(7)}, kernel{}))
		})
	}
}

func TestSocketsThatCannotBeReadAreUnknown(t *testing.T) {
	root := t.TempDir()
	p := socketsParams{Port: 1, Fewer: new(1)}
	want(t, "no file", evidence.Unknown, newSockets(p, kernel{root}).Read(t.Context()))
	check(t, os.MkdirAll(filepath.Join(root, "proc/net"), 0o755))
	check(t, os.WriteFile(root+"/proc/net/tcp", []byte("  sl  local_address rem_address   st\n   0: what\n"), 0o600))
	want(t, "another form", evidence.Unknown, newSockets(p, kernel{root}).Read(t.Context()))
	check(t, os.WriteFile(root+"/proc/net/tcp", []byte("  sl  local_address rem_address   st\n   0: 0100007F:0001 00000000:0000 01\n"), 0o600))
	want(t, "without IPv6", evidence.Fail, newSockets(p, kernel{root}).Read(t.Context()))
}

func TestWhatIsAskedOfSocketsMustMakeSense(t *testing.T) {
	for field, p := range map[string]socketsParams{
		"port":       {Port: 70000, Fewer: new(1)},
		"fewer-than": {Port: 1},
		"at-least":   {Port: 1, Fewer: new(5), AtLeast: new(5)},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](p.Validate())
		if !ok || wrong.Field != field || strings.TrimSpace(wrong.Remedy) == "" {
			t.Errorf("%+v: %+v", p, wrong)
		}
	}
}
