package normalize_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/athlete-ally/system"
)

// The walk follows a migration: one bus, one database, one worker that is never
// restarted until the end.
func TestNormalize(t *testing.T) {
	w := start(t)

	t.Run("it is degraded while no durable is there", func(t *testing.T) {
		h := w.health(t)
		if h.Status != "degraded" || len(h.Streams[event.DurableHRV]) != 0 {
			t.Errorf("health: %+v", h)
		}
		w.awaitLog(t, "Failed to bind to AA_CORE_HOT: the stream is missing; falls back to nothing: no other candidate has the consumer", 1)
	})
	t.Run("it notices streams and durables that come", func(t *testing.T) {
		w.stream(t, event.StreamLegacy, "athlete-ally.>", "vendor.>", "sleep.*")
		w.durables(t, event.StreamLegacy, 0, 1)
		w.awaitHealth(t, func(h normalize.Health) bool {
			return h.Status == "healthy" && h.Version == "v9" && h.Mode == "multi" && slices.Equal(h.Streams[event.DurableOura], []string{event.StreamLegacy})
		})
		w.awaitLog(t, "Failed to bind to AA_VENDOR_HOT: the stream is missing; falls back to ATHLETE_ALLY_EVENTS", 1)
		w.awaitLog(t, "bound to ATHLETE_ALLY_EVENTS", 2)
	})
	t.Run("a reading becomes a row", func(t *testing.T) {
		w.publish(t, event.SubjectHRV, "h1", `{"userId":"u1","date":"2025-10-01","rmssd":42,"capturedAt":"2025-10-01T06:00:00Z"}`)
		w.awaitRow(t, `SELECT ln_rmssd FROM hrv_data WHERE user_id = 'u1' AND date = '2025-10-01'`, func(ln float64) bool { return math.Abs(ln-3.7377) < 0.00005 })
	})
	t.Run("an older reading does not replace it, a newer one does", func(t *testing.T) {
		w.publish(t, event.SubjectHRV, "h0", `{"userId":"u1","date":"2025-10-01","rmssd":1,"capturedAt":"2025-10-01T05:00:00Z"}`)
		w.awaitDrained(t, event.StreamLegacy)
		w.awaitRow(t, `SELECT rmssd FROM hrv_data WHERE user_id = 'u1'`, func(v float64) bool { return v == 42 })
		w.publish(t, event.SubjectHRV, "h2", `{"userId":"u1","date":"2025-10-01","rmssd":43,"capturedAt":"2025-10-01T07:00:00Z"}`)
		w.awaitRow(t, `SELECT rmssd FROM hrv_data WHERE user_id = 'u1'`, func(v float64) bool { return v == 43 })
		w.awaitRow(t, `SELECT count(*)::float8 FROM normalize_effects WHERE message_id IN ('h0', 'h1', 'h2')`, func(n float64) bool { return n == 2 })
	})
	t.Run("a webhook becomes a row once", func(t *testing.T) {
		body := `{"event_id":"e1","userId":"u1","event_type":"daily_sleep","data":{"score":7}}`
		w.publish(t, event.SubjectOura, "o1", body)
		w.publish(t, event.SubjectOura, "o1-again", body)
		w.awaitDrained(t, event.StreamLegacy)
		w.awaitRow(t, `SELECT count(*)::float8 FROM vendor_events WHERE event_id = 'e1'`, func(n float64) bool { return n == 1 })
		w.awaitRow(t, `SELECT count(*)::float8 FROM normalize_effects WHERE target = 'vendor_events'`, func(n float64) bool { return n == 1 })
	})
	t.Run("a broken message is kept while no stream owns dlq", func(t *testing.T) {
		w.publish(t, event.SubjectHRV, "bad1", `{"userId":"u1","date":"2025-10-02","rmssd":-5}`)
		w.awaitMetric(t, `normalize_hrv_messages_total{durable="normalize-hrv-durable",result="retry",stream="ATHLETE_ALLY_EVENTS",subject="athlete-ally.hrv.raw-received"} 1`)
	})
	t.Run("and goes there, with the reason, as soon as one does", func(t *testing.T) {
		dlq := w.stream(t, event.StreamDLQ, "dlq.>")
		w.await(t, "the dead letter", func() bool {
			info, err := dlq.Info(t.Context())
			return err == nil && info.State.Msgs == 1
		})
		m, err := dlq.GetLastMsgForSubject(t.Context(), "dlq."+event.SubjectHRV)
		check(t, err)
		for header, want := range map[string]string{
			event.HeaderDLQReason: "schema_invalid", event.HeaderDLQStream: event.StreamLegacy, event.HeaderMessageID: "bad1",
			event.HeaderDLQConsumer: event.DurableHRV, event.HeaderDLQSubject: event.SubjectHRV,
		} {
			if got := m.Header.Get(header); got != want {
				t.Errorf("%s = %q, want %q", header, got, want)
			}
		}
		if m.Header.Get(event.HeaderDLQDeliveries) < "2" || !strings.Contains(m.Header.Get(event.HeaderDLQError), "rmssd") {
			t.Errorf("headers: %v", m.Header)
		}
		w.awaitDrained(t, event.StreamLegacy)
		w.awaitMetric(t, `dlq_messages_total{consumer="normalize-hrv-durable",reason="schema_invalid",subject="athlete-ally.hrv.raw-received"} 1`)
	})
	t.Run("a row that the database never takes goes there too", func(t *testing.T) {
		w.publish(t, event.SubjectOura, "nul", `{"userId":"u1","event_type":"t","data":"\u0000"}`)
		w.awaitMetric(t, `dlq_messages_total{consumer="normalize-oura",reason="not_retryable",subject="vendor.oura.webhook.received"} 1`)
	})
	t.Run("it reads both streams in a move, and says so", func(t *testing.T) {
		_, err := w.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamLegacy, Subjects: []string{"athlete-ally.>", "sleep.*"}})
		check(t, err)
		w.stream(t, event.StreamVendor, "vendor.>")
		w.durables(t, event.StreamVendor, 1)
		w.awaitHealth(t, func(h normalize.Health) bool { return len(h.Streams[event.DurableOura]) == 2 })
		w.publish(t, event.SubjectOura, "o2", `{"userId":"u1","event_type":"t"}`)
		w.awaitMetric(t, `normalize_messages_total{durable="normalize-oura",result="processed",stream="AA_VENDOR_HOT",subject="vendor.oura.webhook.received"} 1`)
		w.awaitMetric(t, `nats_consumer_num_pending{consumer="normalize-oura",stream="AA_VENDOR_HOT"} 0`)
	})
	t.Run("a durable that goes under it is told once, with what it falls back to", func(t *testing.T) {
		const told = "Failed to bind to AA_VENDOR_HOT: the consumer is missing; falls back to ATHLETE_ALLY_EVENTS"
		for n := range 2 {
			check(t, w.js.DeleteConsumer(t.Context(), event.StreamVendor, event.DurableOura))
			w.awaitLog(t, told, n+1)
			w.awaitHealth(t, func(h normalize.Health) bool {
				return slices.Equal(h.Streams[event.DurableOura], []string{event.StreamLegacy})
			})
			w.durables(t, event.StreamVendor, 1)
			w.awaitHealth(t, func(h normalize.Health) bool { return len(h.Streams[event.DurableOura]) == 2 })
			w.awaitLog(t, told, n+1)
		}
	})
	t.Run("it notices a durable that goes, and its lag is then unknown", func(t *testing.T) {
		said := len(w.log.String())
		check(t, w.js.DeleteConsumer(t.Context(), event.StreamLegacy, event.DurableOura))
		w.awaitHealth(t, func(h normalize.Health) bool {
			return slices.Equal(h.Streams[event.DurableOura], []string{event.StreamVendor})
		})
		if page := w.metricsPage(t); strings.Contains(page, `nats_consumer_num_pending{consumer="normalize-oura",stream="ATHLETE_ALLY_EVENTS"}`) {
			t.Error("the lag of a durable that is gone is still told")
		}
		if strings.Contains(w.log.String()[said:], "Failed to bind to ATHLETE_ALLY_EVENTS: the consumer") {
			t.Error("the legacy stream, which is meant to go, is called a failure")
		}
	})
	t.Run("SIGTERM leaves nothing delivered and unacknowledged", func(t *testing.T) {
		for i := range 500 {
			w.publish(t, event.SubjectHRV, fmt.Sprintf("d%d", i), fmt.Sprintf(`{"userId":"drain-%d","date":"2025-10-01","rmssd":50}`, i))
		}
		w.awaitRow(t, `SELECT count(*)::float8 FROM hrv_data WHERE user_id LIKE 'drain-%'`, func(n float64) bool { return n > 0 })
		w.stop()
		check(t, <-w.done)
		c, err := w.js.Consumer(t.Context(), event.StreamLegacy, event.DurableHRV)
		check(t, err)
		info := c.CachedInfo()
		var rows int
		check(t, w.db.QueryRow(t.Context(), `SELECT count(*) FROM hrv_data WHERE user_id LIKE 'drain-%'`).Scan(&rows))
		if info.NumAckPending != 0 || rows+int(info.NumPending) != 500 { //nolint:gosec // small
			t.Errorf("%d rows, %d pending, %d delivered and not acknowledged", rows, info.NumPending, info.NumAckPending)
		}
	})
}

func TestAnUnknownModeIsRefused(t *testing.T) {
	err := normalize.Run(t.Context(), normalize.Config{Mode: "both"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), `EVENT_STREAM_MODE is "both": want multi or single`) {
		t.Errorf("error = %v", err)
	}
}

type walk struct {
	js            jetstream.JetStream
	db            *pgx.Conn
	base, metrics string
	log           *logged
	stop          context.CancelFunc
	done          chan error
}

func start(t *testing.T) *walk {
	t.Helper()
	url, stopPostgres, err := system.StartPostgres(t.Context())
	check(t, err)
	t.Cleanup(func() {
		if err := stopPostgres(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	bus, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	check(t, err)
	bus.Start()
	if !bus.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { bus.Shutdown(); bus.WaitForShutdown() })
	nc, err := nats.Connect(bus.ClientURL())
	check(t, err)
	t.Cleanup(nc.Close)
	w := &walk{log: &logged{}, done: make(chan error, 1)}
	w.js, err = jetstream.New(nc)
	check(t, err)
	w.db, err = pgx.Connect(t.Context(), url)
	check(t, err)
	t.Cleanup(func() { _ = w.db.Close(context.Background()) })

	addr, metrics := freeAddr(t), freeAddr(t)
	w.base, w.metrics = "http://"+addr, "http://"+metrics+"/metrics"
	cfg := normalize.Config{
		Addr: addr, MetricsAddr: metrics, NATSURL: bus.ClientURL(), DatabaseURL: url, Release: "v9", Mode: normalize.ModeMulti,
		Candidates: []string{event.StreamCore, event.StreamLegacy}, VendorCandidates: []string{event.StreamVendor, event.StreamLegacy},
		LookEvery: 50 * time.Millisecond, Workers: 8, RetryDelay: 200 * time.Millisecond, KeepDelay: 300 * time.Millisecond,
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	t.Cleanup(w.stop)
	go func() { w.done <- normalize.Run(ctx, cfg, slog.New(slog.NewTextHandler(w.log, nil))) }()
	w.await(t, "normalize", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return w
}

func (w *walk) stream(t *testing.T, name string, subjects ...string) jetstream.Stream {
	t.Helper()
	s, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: subjects})
	check(t, err)
	return s
}

func (w *walk) durables(t *testing.T, stream string, which ...int) {
	t.Helper()
	for _, i := range which {
		_, err := w.js.CreateConsumer(t.Context(), stream, system.Durables()[i])
		check(t, err)
	}
}

func (w *walk) publish(t *testing.T, subject, id, body string) {
	t.Helper()
	_, err := w.js.Publish(t.Context(), subject, []byte(body), jetstream.WithMsgID(id))
	check(t, err)
}

func (w *walk) health(t *testing.T) normalize.Health {
	t.Helper()
	var h normalize.Health
	check(t, json.Unmarshal([]byte(get(t, w.base+"/health")), &h))
	return h
}

func (w *walk) awaitHealth(t *testing.T, want func(normalize.Health) bool) {
	t.Helper()
	w.await(t, "health", func() bool { return want(w.health(t)) })
}

func (w *walk) awaitRow(t *testing.T, sql string, want func(float64) bool) {
	t.Helper()
	w.await(t, sql, func() bool {
		var v float64
		return w.db.QueryRow(t.Context(), sql).Scan(&v) == nil && want(v)
	})
}

func (w *walk) awaitDrained(t *testing.T, stream string) {
	t.Helper()
	w.await(t, "the durables of "+stream, func() bool {
		for _, d := range system.Durables() {
			c, err := w.js.Consumer(t.Context(), stream, d.Durable)
			if err != nil || c.CachedInfo().NumPending > 0 || c.CachedInfo().NumAckPending > 0 {
				return false
			}
		}
		return true
	})
}

func (w *walk) metricsPage(t *testing.T) string {
	t.Helper()
	return get(t, w.metrics)
}

func (w *walk) awaitMetric(t *testing.T, line string) {
	t.Helper()
	w.await(t, line, func() bool { return strings.Contains(w.metricsPage(t), line+"\n") })
}

// awaitLog wants a message to have been logged n times, and no more.
func (w *walk) awaitLog(t *testing.T, message string, n int) {
	t.Helper()
	w.await(t, message, func() bool { return strings.Count(w.log.String(), message) >= n })
	if is := strings.Count(w.log.String(), message); is != n {
		t.Errorf("%q was logged %d times, want %d", message, is, n)
	}
}

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (w *walk) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return string(body)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
