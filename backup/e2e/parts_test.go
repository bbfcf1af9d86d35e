package e2e_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/journal/sqlite"
)

// One bundle of a database, a cache, a configuration and the journal: the parts
// that are put back in their place are, and one whose service is away says so
// and leaves the others as they are.
func TestTheOtherPartsOfABundleAreRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := drivertest.Make(t, `segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
  cache: {redis: {url: "${REDIS}"}}
phases:
  - name: one
    steps:
      - {name: bundle, backup.bundle: {dir: "${DIR}/bundles", key: "${KEY}", of: [db, cache], files: ["${DIR}/app.yaml"], journal: "${DIR}/state/journal.db"}}
      - {name: cache, backup.restore: {dir: "${DIR}/bundles", key: "${KEY}", in-place: cache}}
      - {name: files, backup.restore: {dir: "${DIR}/bundles", key: "${KEY}", files: ["${DIR}/app.yaml"]}}
`, w.env, slices.Concat(postgres.Parts(), redis.Parts(), backup.Parts(sqlite.Copy))...)
	applied(t, made.Again("bundle"))

	client := w.redis.Client(t)
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	applied(t, made.Again("cache"))
	for i := range 7 {
		key := "robot:" + string(rune('0'+i))
		if got, err := client.Get(t.Context(), key).Result(); err != nil || got != "x" {
			t.Errorf("%s is %q, %v", key, got, err)
		}
		if left := client.TTL(t.Context(), key).Val(); left <= 0 {
			t.Errorf("%s does not expire: %s", key, left)
		}
	}

	if err := os.WriteFile(w.config, []byte("mode: new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := made.Again("cache") // which has its connection
	w.redis.Stop()
	if _, err := planned(t, again); err == nil || !strings.Contains(err.Error(), "redis 127.0.0.1:") {
		t.Errorf("a service that is away: %v", err)
	}
	if raw, err := os.ReadFile(w.config); err != nil || string(raw) != "mode: new\n" {
		t.Errorf("the configuration was touched: %q, %v", raw, err)
	}
	applied(t, made.Again("files"))
	raw, err := os.ReadFile(w.config)
	info, statErr := os.Stat(w.config)
	if err != nil || statErr != nil || string(raw) != "mode: old\n" || info.Mode().Perm() != 0o640 {
		t.Errorf("the configuration: %q, %v, %v", raw, info.Mode(), err)
	}
}
