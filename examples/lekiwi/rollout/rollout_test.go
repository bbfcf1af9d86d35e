package rollout

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const whole = `migration: {phase: 2}
legacy_system: {enabled: true}
rollout:
  canary_percentage: 10
  feature_flags: {persistent_state: true, event_driven_discovery: false}
`

func TestParse(t *testing.T) {
	c, err := Parse([]byte(whole))
	if err != nil || c.Phase != "2" || c.Canary != 10 || !c.Flag(PersistentState) || c.Flag(EventDrivenDiscovery) || c.Flag(WebsocketMonitoring) {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"migration: [": "no configuration",
		"rollout: {}":  "migration.phase is missing",
		"migration: {phase: 1}\nrollout: {canary_percentage: 101}":                   "canary_percentage is 101",
		"migration: {phase: 1}\nrollout: {canary_percentage: .nan}":                  "canary_percentage is NaN",
		"migration: {phase: 1}\nrollout: {feature_flags: {persistent: true}}":        "feature_flags.persistent is no flag",
		"migration: {phase: 1}\nrollout: {feature_flags: {persistent_state: maybe}}": "no configuration",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "migration_config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(whole)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changed := make(chan Config, 8)
	go f.Watch(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)), func(c Config) { changed <- c })

	write(strings.Replace(whole, "event_driven_discovery: false", "event_driven_discovery: true", 1))
	if c := <-changed; !c.Flag(EventDrivenDiscovery) || !f.Flag(EventDrivenDiscovery) {
		t.Errorf("after the change: %+v", c)
	}
	write("migration: [")
	await(t, func() bool { return f.Problem() != nil })
	if !f.Flag(EventDrivenDiscovery) {
		t.Error("a broken file has turned a flag off")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return f.Problem() != nil && strings.Contains(f.Problem().Error(), "no such file") })
	write(whole)
	if c := <-changed; c.Flag(EventDrivenDiscovery) || f.Problem() != nil {
		t.Errorf("when it is whole again: %+v, %v", c, f.Problem())
	}
}

func await(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
