package system_test

import (
	"context"
	"slices"
	"testing"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/athlete-ally/system/systemtest"
)

// green is off at first, so nothing waits for it; once it is on, it is waited
// for.
func (w *walk) green(t *testing.T) {
	r := w.load(t, "green", 200, func(ctx context.Context) {
		check(t, w.sys.AwaitHealthy(ctx))
		if _, err := w.sys.GreenHealth(ctx, 0); err == nil {
			t.Error("green answers before it is started")
		}
		for i := range w.sys.Env.GreenURLs {
			check(t, w.sys.StartProcess(ctx, system.Green(i)))
		}
		check(t, w.sys.AwaitHealthy(ctx))
		for i := range w.sys.Env.GreenURLs {
			blue, err := w.sys.NormalizeHealth(ctx, i)
			check(t, err)
			green, err := w.sys.GreenHealth(ctx, i)
			check(t, err)
			if blue.Version != "test-1" || green.Version != systemtest.NextRelease || green.Mode != "multi" || len(green.Streams[event.DurableOura]) != 2 {
				t.Errorf("blue: %+v\ngreen: %+v", blue, green)
			}
		}
		for i := range w.sys.Env.GreenURLs {
			check(t, w.sys.StopProcess(ctx, system.Green(i)))
		}
		check(t, w.sys.AwaitHealthy(ctx))
	})
	if r.Lost+r.Doubled+r.Ingest5xx != 0 || !r.Settled {
		t.Errorf("ledger: %+v", r)
	}
}

// stuck: normalize is told by its environment to read what is not there yet.
func (w *walk) stuck(t *testing.T) {
	was, err := w.sys.Environment(t.Context(), system.Normalize(0))
	check(t, err)
	check(t, w.sys.PinNormalize(t.Context(), event.StreamCore, event.StreamVendor))
	_, err = w.js.Publish(t.Context(), event.SubjectHRV, []byte(`{"userId":"stuck","date":"2025-10-01","rmssd":42}`))
	check(t, err)
	pending := func(n uint64) func() bool {
		return func() bool {
			c, err := w.js.Consumer(t.Context(), event.StreamLegacy, event.DurableHRV)
			return err == nil && c.CachedInfo().NumPending == n && c.CachedInfo().NumAckPending == 0
		}
	}
	w.awaitHealth(t, func(h normalize.Health) bool { return h.Status == "degraded" && len(h.Streams[event.DurableHRV]) == 0 })
	w.await(t, "the message to be stuck", pending(1))
	check(t, w.sys.UnpinNormalize(t.Context()))
	w.await(t, "the message to be read", pending(0))
	check(t, w.sys.AwaitHealthy(t.Context()))
	now, err := w.sys.Environment(t.Context(), system.Normalize(0))
	check(t, err)
	if !slices.Equal(was, now) {
		t.Error("normalize has not the environment that it had")
	}
}
