package integration_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

// A plain move, as the services and the tests must bear it: for some
// milliseconds nobody owns the subjects.
func (w *world) moveVendor(t *testing.T) {
	t.Helper()
	_, err := w.js.CreateStream(t.Context(), hot(event.StreamDLQ, 14*24*time.Hour, "dlq.>"))
	check(t, err)
	legacy := system.Legacy()
	legacy.Subjects = []string{"athlete-ally.>", "sleep.*"}
	w.move(t, legacy, hot(event.StreamVendor, 48*time.Hour, "vendor.>"), system.Durables()[1])
}

func (w *world) moveCore(t *testing.T) {
	t.Helper()
	legacy := system.Legacy()
	legacy.Subjects = []string{"segue.closed." + event.StreamLegacy}
	w.move(t, legacy, hot(event.StreamCore, 48*time.Hour, "athlete-ally.>", "sleep.*"), system.Durables()[0])
}

func (w *world) move(t *testing.T, from, to jetstream.StreamConfig, durable jetstream.ConsumerConfig) {
	t.Helper()
	_, err := w.js.UpdateStream(t.Context(), from)
	check(t, err)
	stream, err := w.js.CreateStream(t.Context(), to)
	check(t, err)
	_, err = stream.CreateConsumer(t.Context(), durable)
	check(t, err)
}

// deleteLegacy waits until it is drained, backs it up and deletes it.
func (w *world) deleteLegacy(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for drained := false; !drained; {
		drained = true
		for _, d := range system.Durables() {
			c, err := w.js.Consumer(ctx, event.StreamLegacy, d.Durable)
			check(t, err)
			if info := c.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
				drained = false
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the legacy stream is not drained")
		}
	}
	dir := w.backup(t, time.Now())
	check(t, w.js.DeleteStream(t.Context(), event.StreamLegacy))
	return dir
}

func hot(name string, maxAge time.Duration, subjects ...string) jetstream.StreamConfig {
	cfg := system.Legacy()
	cfg.Name, cfg.Subjects, cfg.MaxAge = name, subjects, maxAge
	return cfg
}
