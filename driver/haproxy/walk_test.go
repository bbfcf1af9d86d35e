package haproxy

import (
	"context"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/haproxy/haproxytest"
)

const keyHeader = "X-Robot-Id"

// byHeader are the lines of a frontend that splits by a header.
func byHeader(file string) string { return Lines(file, "req.hdr("+keyHeader+")", "new", "legacy") }

func connTo(t testing.TB, s *haproxytest.Server) *Conn {
	t.Helper()
	c, err := open(connParams{Socket: s.Socket})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func splitOf(t testing.TB, s *haproxytest.Server, percent float64) *split {
	t.Helper()
	a, err := newSplit(connTo(t, s), paramsOf(s, percent))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSplitWalks(t *testing.T) {
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			s := haproxytest.Start(t, byHeader)
			return drivertest.World{
				Action: func() driver.Action { return splitOf(t, s, 12.5) },
				Disturb: func(ctx context.Context) error {
					return connTo(t, s).setShare(ctx, s.Map, "new", 7000)
				},
			}
		},
	})
}
