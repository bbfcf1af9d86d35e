package acceptance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

// troubleshooting causes each trouble that the seed tells of, and wants the
// doctor to find it.
func (w *world) troubleshooting(t *testing.T) {
	t.Run("consumer not binding: no stream", func(t *testing.T) {
		w.diagnosis(t, "consumer-not-binding", "There is no stream AA_CORE_HOT", "there is no stream")
	})
	t.Run("consumer not binding: no consumer", func(t *testing.T) {
		_, err := w.js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamCore, Subjects: []string{"nobodys.business"}})
		check(t, err)
		t.Cleanup(func() { check(t, w.js.DeleteStream(context.WithoutCancel(t.Context()), event.StreamCore)) })
		w.diagnosis(t, "consumer-not-binding", "AA_CORE_HOT has no consumer normalize-hrv-durable", "there is no consumer")
		await(t, 10*time.Second, "normalize to log that it cannot bind", func() bool {
			return strings.Contains(w.log(t, system.Normalize(0)), "Failed to bind to "+event.StreamCore)
		})
	})
	t.Run("messages stuck", func(t *testing.T) {
		w.pin(t, event.StreamCore)
		w.diagnosis(t, "messages-stuck", "normalize does not read ATHLETE_ALLY_EVENTS", "put ATHLETE_ALLY_EVENTS back")
		w.pin(t, "")
		check(t, w.sys.AwaitHealthy(t.Context()))
	})
	t.Run("database errors", func(t *testing.T) {
		check(t, w.sys.StopProcess(t.Context(), system.Postgres))
		w.diagnosis(t, "database-errors", "The database does not answer", "psql")
		check(t, w.sys.StartProcess(t.Context(), system.Postgres))
		check(t, w.sys.AwaitHealthy(t.Context()))
	})
}

// diagnosis wants the doctor to see a symptom, and to tell these words of it.
func (w *world) diagnosis(t *testing.T, entry string, words ...string) {
	t.Helper()
	var last result
	await(t, 40*time.Second, "the doctor to find "+entry, func() bool {
		last = w.segue(t, append([]string{"doctor", runbookFile(), entry}, later()...)...)
		for _, word := range words {
			if !strings.Contains(last.Out, word) {
				return false
			}
		}
		return last.Code == 1
	})
	t.Logf("segue doctor %s:\n%s", entry, last)
}

// sound wants the doctor to find nothing.
func (w *world) sound(t *testing.T) {
	t.Helper()
	var last result
	defer func() {
		if t.Failed() {
			t.Logf("segue doctor:\n%s", last)
		}
	}()
	await(t, 40*time.Second, "the doctor to find nothing", func() bool {
		last = w.segue(t, append([]string{"doctor", runbookFile()}, later()...)...)
		return last.Code == 0
	})
}

// announced is what is said before there is a run.
func (w *world) announced(t *testing.T) {
	text := w.must(t, 0, append([]string{"report", "--template", "announcement", "--runbook", runbookFile(), "--set", "date=2025-10-01", "--set", "time=02:00"}, later()...)...).Out
	for _, part := range []string{"Subject: [MAINTENANCE] NATS Stream Topology Migration - 2025-10-01 02:00", "Rollback: Instant (< 5 minutes)", "- Platform Team"} {
		if !strings.Contains(text, part) {
			t.Errorf("the announcement does not say %q:\n%s", part, text)
		}
	}
}

// statusUpdate is what is said while it goes on, with live figures.
func (w *world) statusUpdate(t *testing.T, r *running, phase string) {
	text := w.must(t, 0, "report", "--template", "status", r.ID).Out
	t.Log(text)
	for _, part := range []string{"[UPDATE] Migration Phase 3/", phase, "🔄", "msg/min", "pending", "writes/min"} {
		if !strings.Contains(text, part) {
			t.Errorf("the status update does not say %q:\n%s", part, text)
		}
	}
}
