package system_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/segue-run/segue/examples/athlete-ally/event"
	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/athlete-ally/system"
	"github.com/segue-run/segue/examples/athlete-ally/system/systemtest"
)

// Staging is up in a second or two, so the troubles of the seed are had on it
// too.
func TestStaging(t *testing.T) {
	t.Parallel()
	w := &walk{sys: systemtest.Start(t, system.Options{Environment: system.Staging}), settle: 20 * time.Second}
	w.connect(t)
	t.Run("it is the next release, bound to the new streams", w.stagingBound)
	t.Run("its topology is the one after the migration, on one node", w.stagingTopology)
	t.Run("a shell can hold both environments", w.bothEnvironments)
	t.Run("what load and ledger need is there", func(t *testing.T) {
		if r := w.load(t, "staging", 50, func(ctx context.Context) { check(t, w.sys.AwaitHealthy(ctx)) }); r.Lost+r.Doubled != 0 || !r.Settled {
			t.Errorf("ledger: %+v", r)
		}
	})
	t.Run("a consumer that is gone from the new stream is in the log", w.consumerGone)
	t.Run("a database that refuses connections costs no message", w.databaseRefuses)
	t.Run("the nightly job keeps the newest seven", w.prunes)
	t.Run("a backup is whole or not there", w.backupFails)
}

func (w *walk) stagingBound(t *testing.T) {
	h, err := w.sys.NormalizeHealth(t.Context(), 0)
	check(t, err)
	if h.Status != "healthy" || h.Version != systemtest.NextRelease ||
		!slices.Equal(h.Streams[event.DurableHRV], []string{event.StreamCore}) || !slices.Equal(h.Streams[event.DurableOura], []string{event.StreamVendor}) {
		t.Errorf("health: %+v", h)
	}
	log := w.log(t, system.Normalize(0))
	for _, line := range []string{"bound to " + event.StreamCore, "bound to " + event.StreamVendor} {
		if !strings.Contains(log, line) {
			t.Errorf("%q is not in the log:\n%s", line, log)
		}
	}
}

func (w *walk) stagingTopology(t *testing.T) {
	var names []string
	for info := range w.js.ListStreams(t.Context()).Info() {
		c := info.Config
		names = append(names, fmt.Sprintln(c.Name, c.Subjects, c.MaxAge, c.Storage, c.Retention, c.Discard, c.Compression, c.Duplicates, c.Replicas))
	}
	slices.Sort(names)
	want := []string{
		"AA_CORE_HOT [athlete-ally.> sleep.*] 48h0m0s File Limits DiscardOld S2 2m0s 1\n",
		"AA_DLQ [dlq.>] 336h0m0s File Limits DiscardOld S2 2m0s 1\n",
		"AA_VENDOR_HOT [vendor.>] 48h0m0s File Limits DiscardOld S2 2m0s 1\n",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("the topology (-want +is):\n%s", d)
	}
}

// bothEnvironments lets a real shell read staging's file after one that says
// what production's says.
func (w *walk) bothEnvironments(t *testing.T) {
	production := filepath.Join(t.TempDir(), "env")
	check(t, os.WriteFile(production, []byte("NATS_URL=production\nNORMALIZE_GREEN_URL=green\n"), 0o600))
	out, err := exec.Command("bash", "-c", `set -aeu; . "$0"; . "$1"; exec env`, production, filepath.Join(w.sys.Dir, "env")).Output()
	check(t, err)
	lines := strings.Split(string(out), "\n")
	for _, want := range []string{
		"NATS_URL=production", "NORMALIZE_GREEN_URL=green",
		"STAGING_NATS_URL=" + w.sys.Env.NATSURL, "STAGING_APPS_URL=" + w.sys.Env.AppsURL, "STAGING_DATABASE_URL=" + w.sys.Env.DatabaseURL,
		"STAGING_AA_NEXT_BIN=" + w.sys.Dir + "/bin/athlete-ally-phase2",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is not in the shell", want)
		}
	}
	for _, line := range w.sys.Env.Pairs() {
		if !strings.HasPrefix(line, "STAGING_") || strings.HasSuffix(line, "=") {
			t.Errorf("staging says %s", line)
		}
	}
	again, err := system.Open(w.sys.Dir)
	check(t, err)
	if !slices.Equal(again.Env.Pairs(), w.sys.Env.Pairs()) || again.Env.Environment != system.Staging {
		t.Errorf("read again: %v", again.Env.Pairs())
	}
}

func (w *walk) consumerGone(t *testing.T) {
	check(t, w.sys.DeleteDurable(t.Context(), event.StreamCore, event.DurableHRV))
	w.await(t, "normalize to say so", func() bool {
		return strings.Contains(w.log(t, system.Normalize(0)), "Failed to bind to AA_CORE_HOT: the consumer is missing")
	})
	w.awaitHealth(t, func(h normalize.Health) bool { return h.Status == "degraded" && len(h.Streams[event.DurableHRV]) == 0 })
	if err := w.sys.DeleteDurable(t.Context(), event.StreamCore, event.DurableHRV); err == nil {
		t.Error("a durable that is not there was deleted")
	}
	_, err := w.js.CreateConsumer(t.Context(), event.StreamCore, system.Durables()[0])
	check(t, err)
	w.awaitHealth(t, func(h normalize.Health) bool { return h.Status == "healthy" })
}

func (w *walk) databaseRefuses(t *testing.T) {
	r := w.load(t, "refused", 100, func(ctx context.Context) {
		check(t, w.sys.RefuseConnections(ctx, true))
		w.awaitHealth(t, func(h normalize.Health) bool { return h.Status == "degraded" && h.Database == "disconnected" })
		check(t, w.sys.RefuseConnections(ctx, false))
		check(t, w.sys.AwaitHealthy(ctx))
	})
	if r.Lost+r.Doubled+r.Ingest5xx != 0 || !r.Settled || r.InDatabase == 0 {
		t.Errorf("ledger: %+v", r)
	}
	if log := w.log(t, system.Normalize(0)); !strings.Contains(log, "will try again") {
		t.Errorf("no message was given back:\n%s", log)
	}
}

func (w *walk) prunes(t *testing.T) {
	dir := w.sys.Env.PostgresBackup
	if made := w.backups(t); len(made) != 1 {
		t.Fatalf("up left %v", made)
	}
	for day := range 9 {
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("athlete_ally-2025010%dT000000Z.dump", day+1)), nil, 0o600))
	}
	foreign := []string{"athlete_ally.dump", "other-20250101T000000Z.dump", "athlete_ally-20250101T000000Z.dump.gpg", ".athlete_ally-20250102T000000Z.dump2"}
	for _, name := range append(foreign, ".athlete_ally-20250101T000000Z.dump1") {
		check(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	long := time.Now().Add(-3 * time.Hour)
	check(t, os.Chtimes(filepath.Join(dir, ".athlete_ally-20250101T000000Z.dump1"), long, long)) // of a job that was killed
	path, err := w.sys.Backup(t.Context())
	check(t, err)
	readable(t, path)
	made := slices.DeleteFunc(w.backups(t), func(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") })
	if len(made) != 7 || !slices.Contains(made, path) || filepath.Base(made[0]) != "athlete_ally-20250105T000000Z.dump" {
		t.Errorf("left: %v", made)
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	if len(entries) != 7+len(foreign) {
		t.Errorf("what is not of the nightly job is not as it was: %v", entries)
	}
	for _, name := range foreign {
		check(t, os.Remove(filepath.Join(dir, name)))
	}
}

// backupFails has pg_dump fail; the error says why, and no secret.
func (w *walk) backupFails(t *testing.T) {
	before := w.backups(t)
	check(t, w.sys.RefuseConnections(t.Context(), true))
	defer func() { check(t, w.sys.RefuseConnections(t.Context(), false)) }()
	_, err := w.sys.Backup(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not currently accepting connections") {
		t.Fatalf("error = %v", err)
	}
	if _, password, _ := strings.Cut(w.sys.Env.DatabaseURL, "athlete:"); strings.Contains(err.Error(), password[:26]) {
		t.Error("the password is in the error")
	}
	if now := w.backups(t); !slices.Equal(now, before) {
		t.Errorf("left: %v", now)
	}
}

// backups lists what the nightly job left, whole or not, in order.
func (w *walk) backups(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"athlete_ally-*.dump", ".athlete_ally-*.dump*"} {
		some, err := filepath.Glob(filepath.Join(w.sys.Env.PostgresBackup, pattern))
		check(t, err)
		found = append(found, some...)
	}
	return found
}

// readable wants a dump of the services' tables, for its owner alone.
func readable(t *testing.T, path string) {
	t.Helper()
	restore, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_restore")
	check(t, err)
	out, err := exec.Command(restore[len(restore)-1], "--list", path).CombinedOutput() //nolint:gosec // Debian's
	check(t, err)
	for _, table := range []string{"hrv_data", "vendor_events", "normalize_effects"} {
		if !bytes.Contains(out, []byte("TABLE DATA public "+table)) {
			t.Errorf("%s is not in %s:\n%s", table, path, out)
		}
	}
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
}
