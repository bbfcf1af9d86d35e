package nats

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/internal/soak"
)

// The walk crashes a handover at each of its boundaries, and its undo, and
// takes minutes: `go test` crashes it at some of them, under load
// (TestHandoverGoesOnAfterACrash).
func TestHandoverWalks(t *testing.T) {
	if !soak.On() {
		t.Log("done whole by make soak")
		return
	}
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		Timeout: 10 * time.Minute,
		World: func(t testing.TB) drivertest.World {
			p := newHanding(b.in(t, 3))
			return drivertest.World{
				Action: func() driver.Action { return p.action() },
				Disturb: func(ctx context.Context) error { // somebody takes it back by hand, half-way
					return p.edit(ctx, p.to, func(c *jetstream.StreamConfig) { c.Subjects = []string{closedSubject(p.to)} })
				},
			}
		},
		ObserveOnly: []string{"ledger", "cannot"},
	})
}
