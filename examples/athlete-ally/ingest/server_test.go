package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/ingest"
)

const (
	goodHRV  = `{"userId":"u1", "date":"2025-10-01", "rmssd":42}`
	goodOura = `{"userId":"u1","event_type":"daily_activity","data":{"test":"x"}}`
	secret   = "a-secret"
)

func TestIngest(t *testing.T) {
	bus := startNATS(t)
	base, stop := startIngest(t, bus.ClientURL())
	js := connect(t, bus)
	legacy, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamLegacy, Subjects: []string{"athlete-ally.>", "vendor.>", "sleep.*"}})
	check(t, err)

	t.Run("its health names bus and version", func(t *testing.T) {
		code, ans := get(t, base+"/health")
		if code != http.StatusOK || ans["status"] != "healthy" || ans["eventBus"] != "connected" || ans["version"] != "v7" {
			t.Errorf("health: %d %v", code, ans)
		}
		if diff := cmp.Diff(map[string]any{}, ans["streams"]); diff != "" {
			t.Errorf("streams before the first message (-want +got):\n%s", diff)
		}
	})
	t.Run("a reading is published as it came, and acknowledged", func(t *testing.T) {
		code, ans := post(t, base+"/api/v1/ingest/hrv", goodHRV, "r1", "")
		if code != http.StatusAccepted || ans["stream"] != event.StreamLegacy {
			t.Fatalf("%d %v", code, ans)
		}
		m, err := legacy.GetLastMsgForSubject(t.Context(), event.SubjectHRV)
		check(t, err)
		if string(m.Data) != goodHRV || m.Header.Get(nats.MsgIdHdr) != "r1" {
			t.Errorf("stored %q with %v", m.Data, m.Header)
		}
	})
	t.Run("answers", func(t *testing.T) {
		signature := event.Sign(secret, []byte(goodOura))
		for _, tt := range []struct {
			name, path, body, id, signature string
			code                            int
			field, value                    string
		}{
			{"a repeat is a duplicate", "/api/v1/ingest/hrv", goodHRV, "r1", "", 202, "status", "duplicate"},
			{"the bad field is named", "/api/v1/ingest/hrv", `{"userId":"u","date":"x","rmssd":1}`, "", "", 400, "field", "date"},
			{"sleep is taken", "/api/v1/ingest/sleep", `{"userId":"u","date":"2025-10-01","durationMinutes":400}`, "", "", 202, "status", "accepted"},
			{"a webhook without signature is refused", "/api/v1/webhook/oura", goodOura, "o1", "", 401, "status", "unauthorized"},
			{"a webhook with a wrong one is refused", "/api/v1/webhook/oura", goodOura, "o1", "00", 401, "status", "unauthorized"},
			{"a signed webhook is taken", "/api/v1/webhook/oura", goodOura, "o1", signature, 202, "status", "accepted"},
			{"its repeat is answered 200", "/api/v1/webhook/oura", goodOura, "o1", signature, 200, "status", "duplicate"},
			{"one name may serve two kinds", "/api/v1/webhook/oura", goodOura, "r1b", signature, 202, "status", "accepted"},
			{"a body that is too big is refused", "/api/v1/ingest/hrv", strings.Repeat("x", 300<<10), "", "", 400, "field", "body"},
		} {
			code, ans := post(t, base+tt.path, tt.body, tt.id, tt.signature)
			if code != tt.code || ans[tt.field] != tt.value {
				t.Errorf("%s: %d %v, want %d and %s %q", tt.name, code, ans, tt.code, tt.field, tt.value)
			}
		}
	})
	t.Run("a moment in which no stream owns the subject costs no request", func(t *testing.T) {
		_, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamLegacy, Subjects: []string{"athlete-ally.>", "sleep.*"}})
		check(t, err)
		answered := make(chan int, 1)
		go func() {
			code, _ := post(t, base+"/api/v1/webhook/oura", goodOura, "gap", event.Sign(secret, []byte(goodOura)))
			answered <- code
		}()
		hot, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamVendor, Subjects: []string{"vendor.>"}})
		check(t, err)
		if code := <-answered; code != http.StatusAccepted {
			t.Fatalf("answer %d", code)
		}
		info, err := hot.Info(t.Context())
		check(t, err)
		if info.State.Msgs != 1 {
			t.Errorf("%d messages in the new stream", info.State.Msgs)
		}
	})
	t.Run("its health names the stream that took the latest message of each subject", func(t *testing.T) {
		_, ans := get(t, base+"/health")
		if diff := cmp.Diff(map[string]any{
			event.SubjectHRV: event.StreamLegacy, event.SubjectSleep: event.StreamLegacy, event.SubjectOura: event.StreamVendor,
		}, ans["streams"]); diff != "" {
			t.Errorf("streams (-want +got):\n%s", diff)
		}
	})
	t.Run("its metrics count what streams took, without repeats, and how long requests took", func(t *testing.T) {
		page := metricsPage(t, base)
		for _, line := range []string{
			`ingest_published_total{stream="ATHLETE_ALLY_EVENTS",subject="athlete-ally.hrv.raw-received"} 1`,
			`ingest_published_total{stream="ATHLETE_ALLY_EVENTS",subject="vendor.oura.webhook.received"} 2`,
			`ingest_published_total{stream="AA_VENDOR_HOT",subject="vendor.oura.webhook.received"} 1`,
			`ingest_request_duration_seconds_count{kind="oura",route="/api/v1/webhook/oura"} 6`,
			`ingest_requests_total{kind="oura",status="401"} 2`,
		} {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("%s is not among the metrics", line)
			}
		}
	})
	t.Run("without the bus it says 503 and degraded, and the same request may follow", func(t *testing.T) {
		check(t, js.DeleteStream(t.Context(), event.StreamLegacy))
		code, ans := post(t, base+"/api/v1/ingest/hrv", goodHRV, "late", "")
		if code != http.StatusServiceUnavailable {
			t.Fatalf("no owner: %d %v", code, ans)
		}
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: event.StreamCore, Subjects: []string{"athlete-ally.>"}})
		check(t, err)
		if code, ans := post(t, base+"/api/v1/ingest/hrv", goodHRV, "late", ""); code != http.StatusAccepted {
			t.Fatalf("repeat: %d %v", code, ans)
		}
		bus.Shutdown()
		await(t, "degraded health", func() bool {
			code, ans := get(t, base+"/health")
			return code == http.StatusServiceUnavailable && ans["status"] == "degraded" && ans["eventBus"] == "disconnected"
		})
	})
	check(t, stop())
}

// startIngest gives the service's URL, and a stop that returns what Run did.
func startIngest(t *testing.T, natsURL string) (base string, stop func() error) {
	t.Helper()
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- ingest.Run(ctx, ingest.Config{
			Addr: addr, NATSURL: natsURL, OuraSecret: secret, Release: "v7",
			PublishBudget: time.Second, PublishTimeout: 200 * time.Millisecond,
		}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	}()
	t.Cleanup(cancel)
	base = "http://" + addr
	await(t, "ingest", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return base, func() error { cancel(); return <-done }
}

func startNATS(t *testing.T) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	check(t, err)
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func connect(t *testing.T, s *server.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL())
	check(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(t, err)
	return js
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) (int, map[string]any) {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	check(t, err)
	return answer(t, resp)
}

func metricsPage(t *testing.T, base string) string {
	t.Helper()
	resp, err := http.Get(base + "/metrics") //nolint:noctx // a test
	check(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	check(t, err)
	return string(page)
}

func post(t *testing.T, url, body, id, signature string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewBufferString(body)) //nolint:noctx // a test
	check(t, err)
	if id != "" {
		req.Header.Set(ingest.HeaderRequestID, id)
	}
	req.Header.Set(event.HeaderSignature, signature)
	resp, err := http.DefaultClient.Do(req)
	check(t, err)
	return answer(t, resp)
}

func answer(t *testing.T, resp *http.Response) (int, map[string]any) {
	t.Helper()
	defer resp.Body.Close()
	var v map[string]any
	check(t, json.NewDecoder(resp.Body).Decode(&v))
	return resp.StatusCode, v
}

func await(t *testing.T, what string, holds func() bool) {
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
