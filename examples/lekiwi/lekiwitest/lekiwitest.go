// Package lekiwitest runs a state-manager on real stores for the tests of the
// services that need one.
package lekiwitest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segue-run/segue/examples/lekiwi/rollout"
	"github.com/segue-run/segue/examples/lekiwi/state"
	"github.com/segue-run/segue/examples/lekiwi/system"
)

// World is stores, a state-manager on them, and the file with the flags.
type World struct {
	Stores          *system.Stores
	StateURL        string
	MigrationConfig string
}

// Start starts one until the test ends, with persistent_state and these flags on.
func Start(t testing.TB, on ...string) *World {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stores, err := system.StartStores(ctx)
	Check(t, err)
	t.Cleanup(func() { Check(t, stores.Stop()) })
	w := &World{Stores: stores, MigrationConfig: filepath.Join(t.TempDir(), "migration_config.yaml")}
	w.Flags(t, on...)
	addr := FreeAddr(t)
	w.StateURL = "http://" + addr
	Run(t, w.StateURL, state.Run, state.Config{
		Addr: addr, DatabaseURL: stores.DatabaseURL, RedisURL: stores.RedisURL, MigrationConfig: w.MigrationConfig, CacheTTL: time.Hour, FlushTime: time.Second,
	})
	return w
}

// Flags turns persistent_state and these flags on, and all others off.
func (w *World) Flags(t testing.TB, on ...string) {
	t.Helper()
	text := "migration: {phase: 1}\nrollout:\n  canary_percentage: 10\n  feature_flags:\n"
	for _, flag := range append(on, rollout.PersistentState) {
		text += fmt.Sprintf("    %s: true\n", flag)
	}
	Check(t, os.WriteFile(w.MigrationConfig, []byte(text), 0o600))
}

// Run runs a service until the test ends or it is stopped, and waits until it
// answers at base.
func Run[C any](t testing.TB, base string, run func(context.Context, C, *slog.Logger) error, cfg C) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, cfg, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	end := sync.OnceValue(func() error { cancel(); return <-done })
	stop = func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	Await(t, base, func() bool {
		resp, err := http.Get(base + "/health") //nolint:noctx // a test
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return stop
}

// Send asks, and reads the answer's JSON into what is given, if anything.
func Send(t testing.TB, method, url, body string, into any) (status int) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body)) //nolint:noctx // a test
	Check(t, err)
	resp, err := http.DefaultClient.Do(req)
	Check(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	Check(t, err)
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			t.Errorf("%s %s: %v: %s", method, url, err, raw)
		}
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s: 503 without Retry-After", method, url)
	}
	return resp.StatusCode
}

// Page is the text at a URL.
func Page(t testing.TB, url string) string {
	t.Helper()
	resp, err := http.Get(url) //nolint:noctx // a test
	Check(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	Check(t, err)
	return string(raw)
}

// FreeAddr is an address on which nobody listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Await looks until a condition holds.
func Await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Check ends the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
