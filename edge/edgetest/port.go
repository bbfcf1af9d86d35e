package edgetest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports that tests hand out lie below those that the kernel gives to whom
// asks for any (ip_local_port_range), so that none is taken meanwhile by a
// client's connection or by a listener of another test.
const firstPort, lastPort = 10000, 32767

// Port reserves a port of 127.0.0.1 on which nobody listens, until the test
// ends: no other test is given it, in whatever process. Its server may so be
// started later, stopped and started again.
func Port(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1) //nolint:gosec // it is no secret
		// Who listens at this address has the port, at 127.0.0.1 too: the kernel
		// lets go of it when the process dies.
		reserved, err := net.Listen("tcp4", "127.0.0.2:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port)); err != nil || l.Close() != nil {
			_ = reserved.Close()
			continue
		}
		t.Cleanup(func() { _ = reserved.Close() })
		return port
	}
	t.Fatal("a thousand ports of the loopback are all in use")
	return 0
}

// Addr is 127.0.0.1 with a port that is reserved for the test.
func Addr(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(Port(t))
}
