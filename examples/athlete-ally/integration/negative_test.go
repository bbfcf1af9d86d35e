package integration_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/internal/soak"
)

// negativeControls break the system in one way each, and mend it.
func (w *world) negativeControls(t *testing.T) {
	sql := func(t *testing.T, statement string) {
		t.Helper()
		_, err := w.db.Exec(t.Context(), statement)
		check(t, err)
	}
	consumer := func(t *testing.T, change func(*jetstream.ConsumerConfig)) {
		t.Helper()
		cfg := system.Durables()[0]
		change(&cfg)
		_, err := w.js.UpdateConsumer(t.Context(), event.StreamLegacy, cfg)
		check(t, err)
	}
	stream := func(t *testing.T, change func(*jetstream.StreamConfig)) {
		t.Helper()
		cfg := system.Legacy()
		change(&cfg)
		_, err := w.js.UpdateStream(t.Context(), cfg)
		check(t, err)
	}
	for i, tt := range []struct {
		name       string
		plant      func(t *testing.T)
		mend       func(t *testing.T)
		run        []string
		fail       []string
		mustAnswer string // part of the reason
	}{
		{
			"a stream with another duplicate window",
			func(t *testing.T) { stream(t, func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }) },
			func(t *testing.T) { stream(t, func(*jetstream.StreamConfig) {}) },
			[]string{"bus"},
			[]string{"bus/stream-settings"},
			"duplicate window 1m0s, want 2m",
		},
		{
			"a durable with another ack wait",
			func(t *testing.T) { consumer(t, func(c *jetstream.ConsumerConfig) { c.AckWait = 30 * time.Second }) },
			func(t *testing.T) { consumer(t, func(*jetstream.ConsumerConfig) {}) },
			[]string{"bus"},
			[]string{"bus/consumer-settings"},
			"ack wait 30s, want 1m0s",
		},
		{
			"a subject that is also somebody else's",
			func(t *testing.T) {
				stream(t, func(c *jetstream.StreamConfig) { c.Subjects = []string{"athlete-ally.>", "vendor.>"} })
				_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"sleep.*"}})
				check(t, err)
			},
			func(t *testing.T) {
				check(t, w.js.DeleteStream(t.Context(), "OTHER"))
				stream(t, func(*jetstream.StreamConfig) {})
			},
			[]string{"bus"},
			[]string{"bus/one-owner"},
			"sleep.raw-received is taken by OTHER",
		},
		{
			"the unique constraint dropped",
			func(t *testing.T) { sql(t, "ALTER TABLE hrv_data DROP CONSTRAINT hrv_data_user_id_date_key") },
			func(t *testing.T) { sql(t, "ALTER TABLE hrv_data ADD UNIQUE (user_id, date)") },
			[]string{"database", "ingest/hrv-stored"},
			[]string{"database/one-row-per-key"},
			"hrv_data takes a second row of one key",
		},
		{
			"a wrong secret",
			func(*testing.T) { w.target.OuraSecret += "x" },
			func(*testing.T) { w.target.OuraSecret = w.sys.Env.OuraSecret },
			[]string{"ingest/oura-stored", "ingest/oura-repeat-once", "ingest/hrv-stored"},
			[]string{"ingest/oura-stored", "ingest/oura-repeat-once"},
			"unauthorized",
		},
		{
			"normalize dead-letters everything",
			func(t *testing.T) { check(t, w.sys.DeadLetterAll(t.Context(), true)) },
			func(t *testing.T) { check(t, w.sys.DeadLetterAll(t.Context(), false)) },
			[]string{"rows", "normalize/metrics", "ingest/hrv-stored"},
			[]string{
				"normalize/metrics", "rows/hrv-logarithm", "rows/hrv-newest-wins", "rows/hrv-older-ignored", "rows/vendor-once", "rows/effect-once",
			},
			"is not settled: normalize answered -NAK",
		},
		{
			"one normalize stopped",
			func(t *testing.T) { check(t, w.sys.StopProcess(t.Context(), system.Normalize(1))) },
			func(t *testing.T) { check(t, w.sys.StartProcess(t.Context(), system.Normalize(1))) },
			[]string{"normalize/health", "rows/hrv-logarithm"},
			[]string{"normalize/health"},
			"no deployment of normalize is whole: no answer of normalize at http:",
		},
		{
			"normalize stopped",
			func(t *testing.T) {
				check(t, w.sys.StopProcess(t.Context(), system.Normalize(0)))
				check(t, w.sys.StopProcess(t.Context(), system.Normalize(1)))
			},
			func(t *testing.T) {
				check(t, w.sys.StartProcess(t.Context(), system.Normalize(0)))
				check(t, w.sys.StartProcess(t.Context(), system.Normalize(1)))
				check(t, w.sys.AwaitHealthy(t.Context()))
			},
			[]string{"normalize", "rows", "deadletters", "ingest/hrv-stored", "bus/message-id-once"},
			[]string{
				"normalize/health", "normalize/versions", "normalize/bound", "normalize/metrics",
				"rows/hrv-logarithm", "rows/hrv-newest-wins", "rows/hrv-older-ignored", "rows/vendor-once", "rows/effect-once",
				"deadletters/schema-invalid",
			},
			"no deployment of normalize is whole",
		},
	} {
		if !soak.Case(i, 3) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			tt.plant(t)
			defer tt.mend(t)
			within := 2 * time.Second
			if slices.Contains(tt.run, "ingest/hrv-stored") { // what must pass has time, also on a busy machine
				within = 3 * time.Second
			}
			r := w.run(t, within, tt.run...)
			var names []string
			for _, f := range failed(r) {
				name, _, _ := strings.Cut(f, ":")
				names = append(names, name)
			}
			if diff := cmp.Diff(tt.fail, names); diff != "" || r.OK() {
				t.Errorf("failed (-want +got):\n%s\n%s", diff, strings.Join(failed(r), "\n"))
			}
			if !strings.Contains(strings.Join(failed(r), "\n"), tt.mustAnswer) {
				t.Errorf("%q is not among the reasons:\n%s", tt.mustAnswer, strings.Join(failed(r), "\n"))
			}
			w.nothingLeft(t)
		})
	}
}
