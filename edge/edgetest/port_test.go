package edgetest

import (
	"net"
	"strconv"
	"testing"
)

func TestNobodyElseIsGivenAReservedPort(t *testing.T) {
	given := map[int]bool{}
	for range 300 {
		port := Port(t)
		if given[port] {
			t.Fatalf("port %d was given twice", port)
		}
		given[port] = true
		// As another process would find it that tries this one.
		if l, err := net.Listen("tcp4", "127.0.0.2:"+strconv.Itoa(port)); err == nil {
			_ = l.Close()
			t.Fatalf("port %d is not held", port)
		}
		l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Fatalf("port %d is no use to its own server: %v", port, err)
		}
		_ = l.Close()
	}
}

func TestAPortIsFreeAgainAfterItsTest(t *testing.T) {
	var port int
	t.Run("holds it", func(t *testing.T) { port = Port(t) })
	l, err := net.Listen("tcp4", "127.0.0.2:"+strconv.Itoa(port))
	if err != nil {
		t.Fatalf("port %d is held still: %v", port, err)
	}
	_ = l.Close()
}
