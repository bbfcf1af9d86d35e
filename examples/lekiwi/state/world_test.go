package state_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
	"github.com/segue-run/segue/examples/lekiwi/state"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

// world is what a state-manager needs.
type world struct {
	stores *system.Stores
	legacy string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stores, err := system.StartStores(ctx)
	fatal(t, err)
	t.Cleanup(func() { fatal(t, stores.Stop()) })
	legacy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := api.NewCount()
		c.Add(robot.Lekiwi, robot.Running, false)
		c.Add(robot.XLERobot, robot.Running, false)
		_ = json.NewEncoder(w).Encode(c)
	}))
	t.Cleanup(legacy.Close)
	return &world{stores: stores, legacy: legacy.URL}
}

func (w *world) config(t *testing.T, persistent bool) state.Config {
	t.Helper()
	cfg := state.Config{
		Addr: freeAddr(t), DatabaseURL: w.stores.DatabaseURL, RedisURL: w.stores.RedisURL, LegacyURL: w.legacy,
		MigrationConfig: filepath.Join(t.TempDir(), "migration_config.yaml"), CacheTTL: time.Hour, FlushTime: 8 * time.Second,
	}
	setFlag(t, cfg.MigrationConfig, persistent)
	return cfg
}

func setFlag(t *testing.T, path string, persistent bool) {
	t.Helper()
	text := fmt.Sprintf("migration: {phase: 1}\nrollout: {feature_flags: {persistent_state: %t}}\n", persistent)
	fatal(t, os.WriteFile(path, []byte(text), 0o600))
}

// start runs one until the test ends.
func (w *world) start(t *testing.T, cfg state.Config) (base string) {
	t.Helper()
	base, stop := w.launch(t, cfg)
	t.Cleanup(func() { fatal(t, stop()) })
	return base
}

func (w *world) launch(t *testing.T, cfg state.Config) (base string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- state.Run(ctx, cfg, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	base = "http://" + cfg.Addr
	await(t, "the state-manager and its cache", func() bool {
		resp, err := http.Get(base + "/health") //nolint:noctx // a test
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var h api.Health
		return json.NewDecoder(resp.Body).Decode(&h) == nil && h.Detail["cache"] == "trusted"
	})
	return base, func() error { cancel(); return <-done }
}

func (w *world) try(t *testing.T, url, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	fatal(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	return err
}

func (w *world) exec(t *testing.T, url string, sql ...string) {
	t.Helper()
	for _, s := range sql {
		fatal(t, w.try(t, url, s))
	}
}

func (w *world) rebuild(t *testing.T, replace bool) state.Rebuilt {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.stores.DatabaseURL)
	fatal(t, err)
	defer conn.Close(context.Background())
	got, err := state.Rebuild(t.Context(), conn, replace)
	fatal(t, err)
	return got
}

var messages int

// heartbeat is one that was not sent before.
func heartbeat(id, kind, status, version string) robot.Event {
	messages++
	now := robot.At(time.Now())
	return robot.Event{
		Key: robot.NewKey("test", fmt.Sprint(messages)), RobotID: id, Kind: robot.Heartbeat, At: now,
		Record: &robot.Record{ID: id, Type: kind, Status: robot.Reported(status), Version: version, LastSeen: now, Metadata: robot.Metadata(`{ "n": 9007199254740993 }`)},
	}
}

func get(t *testing.T, url string, into any) int {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	return answer(t, resp, err, into)
}

func post(t *testing.T, url string, body, into any) int {
	t.Helper()
	raw, err := json.Marshal(body)
	fatal(t, err)
	resp, err := http.Post(url, "application/json", strings.NewReader(string(raw))) //nolint:noctx // a test
	return answer(t, resp, err, into)
}

func answer(t *testing.T, resp *http.Response, err error, into any) int {
	t.Helper()
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Errorf("%s: %v: %s", resp.Request.URL, err, raw)
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s: 503 without Retry-After", resp.Request.URL)
	}
	return resp.StatusCode
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	defer l.Close()
	return l.Addr().String()
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
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
