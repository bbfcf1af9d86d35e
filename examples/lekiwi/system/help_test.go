package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
)

func expect(ctx context.Context, t *testing.T, ws *websocket.Conn, is func(api.Message) bool) {
	t.Helper()
	for {
		var m api.Message
		if err := wsjson.Read(ctx, ws, &m); err != nil {
			t.Fatal(err)
		}
		if is(m) {
			return
		}
	}
}

// counted sums a service's http_requests_total with these labels.
func counted(t *testing.T, base, labels string) (sum int) {
	t.Helper()
	for line := range strings.Lines(page(t, base+"/metrics")) {
		if strings.HasPrefix(line, "http_requests_total{") && strings.Contains(line, labels) {
			var n int
			_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n)
			fatal(t, err)
			sum += n
		}
	}
	return sum
}

func awaitMetric(t *testing.T, base, line string) {
	t.Helper()
	await(t, line+" at "+base, func() bool { return strings.Contains(page(t, base+"/metrics"), "\n"+line) })
}

func page(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	fatal(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fatal(t, err)
	return string(body)
}

func rows(t *testing.T, url, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	fatal(t, err)
	defer conn.Close(context.Background())
	fatal(t, conn.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func get(t *testing.T, url string, into any) int {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	return answer(t, resp, err, into)
}

func post(t *testing.T, url, body string, into any) int {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body)) //nolint:noctx // a test
	return answer(t, resp, err, into)
}

func answer(t *testing.T, resp *http.Response, err error, into any) int {
	t.Helper()
	fatal(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	fatal(t, err)
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Errorf("%s: %v: %s", resp.Request.URL, err, raw)
		}
	}
	return resp.StatusCode
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	fatal(t, err)
	return string(raw)
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
