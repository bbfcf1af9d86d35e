package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/driver/redis"
	"github.com/segue-run/segue/driver/redis/redistest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/state"
)

var server postgrestest.Shared

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

const key = "a key/of + tests"

// world is a database, a cache, a configuration and a journal, and a directory
// for their bundles.
type world struct {
	dir, config, url string
	redis            *redistest.Server
	env              map[string]string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), url: server.Database(t), redis: redistest.Start(t)}
	w.config = filepath.Join(w.dir, "app.yaml")
	if err := os.WriteFile(w.config, []byte("mode: old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(w.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	postgrestest.Exec(t, w.url, "create table robots (id int primary key); insert into robots select generate_series(1, 40)")
	client := w.redis.Client(t)
	for i := range 7 {
		if err := client.Set(t.Context(), fmt.Sprint("robot:", i), "x", time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ConfigSet(t.Context(), "repl-diskless-sync-delay", "0").Err(); err != nil {
		t.Fatal(err)
	}
	w.env = map[string]string{"DB": w.url, "REDIS": w.redis.URL(0), "KEY": key, "DIR": w.dir}
	return w
}

func (w *world) make(t testing.TB, of string) drivertest.Made {
	t.Helper()
	return drivertest.Make(t, fmt.Sprintf(`segue: v1
name: test
connections:
  db: {postgres: {url: "${DB}"}}
  cache: {redis: {url: "${REDIS}"}}
checks:
  age: {backup.age: {dir: "${DIR}/bundles", key: "${KEY}", newer-than: 1h}}
  proven: {backup.proven: {dir: "${DIR}/bundles", key: "${KEY}", of: %s}}
phases:
  - name: one
    require: [age, proven]
    steps: [{name: bundle, backup.bundle: {dir: "${DIR}/bundles", key: "${KEY}", of: %s, files: ["${DIR}/app.yaml"], journal: "${DIR}/state/journal.db"}}]
`, of, of), w.env, slices.Concat(postgres.Parts(), redis.Parts(), backup.Parts(sqlite.Copy))...)
}

func (w *world) bundles(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "bundles", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestABundleIsWholeAndProven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.make(t, "[db, cache]")
	for _, name := range []string{"age", "proven"} {
		if r := made.Checks[name].Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, "there is no good bundle") {
			t.Errorf("%s, of nothing: %v %s", name, r.Verdict, r.Detail)
		}
	}
	applied(t, made.Actions["bundle"])
	found := w.bundles(t)
	if len(found) != 1 {
		t.Fatalf("there are %v", found)
	}
	applied(t, made.Again("bundle")) // there is a fresh one
	if again := w.bundles(t); len(again) != 1 {
		t.Errorf("there are %v", again)
	}
	if r := made.Checks["age"].Read(t.Context()); r.Verdict != evidence.Pass {
		t.Errorf("age: %v %s", r.Verdict, r.Detail)
	}
	if r := made.Checks["proven"].Read(t.Context()); r.Verdict != evidence.Pass || r.Samples != 47 {
		t.Errorf("proven: %v %s %s, of %d", r.Verdict, r.Value, r.Detail, r.Samples)
	}
	w.mayBeReadByTheOwnerOnly(t, found[0])
	raw, err := os.ReadFile(filepath.Join(found[0], "manifest.json"))
	if err != nil || strings.Contains(string(raw), key) || strings.Contains(string(raw), postgrestest.Password) {
		t.Errorf("the manifest has a secret: %v\n%s", err, raw)
	}
	if copied, err := os.ReadFile(filepath.Join(found[0], "files", "001-app.yaml")); err != nil || string(copied) != "mode: old\n" {
		t.Errorf("the configuration: %q, %v", copied, err)
	}
	if r, err := sqlite.OpenReadOnly(t.Context(), journalOf(t, found[0])); err != nil {
		t.Errorf("the journal: %v", err)
	} else {
		_ = r.Close()
	}
	w.planted(t, found[0])
}

// journalOf is the bundle's journal under the name that journals have.
func journalOf(t *testing.T, bundle string) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := os.ReadFile(filepath.Join(bundle, "journal", "journal.db"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, sqlite.File), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (w *world) mayBeReadByTheOwnerOnly(t *testing.T, bundle string) {
	t.Helper()
	err := filepath.WalkDir(bundle, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// planted is the negative control: each fault must be found, and nothing else.
func (w *world) planted(t *testing.T, bundle string) {
	t.Helper()
	rewrite := func(name string, change func([]byte) []byte) func() {
		path := filepath.Join(bundle, name)
		was, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, change(slices.Clone(was)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.WriteFile(path, was, 0o600) }
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		plant func() func()
		want  string
	}{
		"a byte of the dump of the cache": {func() func() { return rewrite("cache/dump.rdb", flip) }, "cache/dump.rdb is not what was written"},
		"a configuration that is longer":  {func() func() { return rewrite("files/001-app.yaml", func(b []byte) []byte { return append(b, '#') }) }, "files/001-app.yaml has 11 bytes, and 10"},
		"a count in the manifest": {
			func() func() {
				return rewrite("manifest.json", func(b []byte) []byte { return []byte(strings.Replace(string(b), ": 40", ": 41", 1)) })
			},
			"its signature does not fit",
		},
		"a file that nobody wrote": {func() func() {
			path := filepath.Join(bundle, "db", "more")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(path) }
		}, "db/more is not in its manifest"},
		"a file that is gone": {func() func() {
			path := filepath.Join(bundle, "files", "001-app.yaml")
			if err := os.Rename(path, w.config+".away"); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Rename(w.config+".away", path) }
		}, "by its manifest"},
		"another key": {func() func() { w.env["KEY"] = "another"; return func() { w.env["KEY"] = key } }, "its signature does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			back := c.plant()
			made := w.make(t, "[db, cache]")
			for _, check := range []string{"age", "proven"} {
				if r := made.Checks[check].Read(t.Context()); r.Verdict != evidence.Fail || !strings.Contains(r.Detail, c.want) {
					t.Errorf("%s: %v %s; want %q", check, r.Verdict, r.Detail, c.want)
				}
			}
			back()
			if r := w.make(t, "[db]").Checks["age"].Read(t.Context()); r.Verdict != evidence.Pass {
				t.Errorf("with the fault taken away: %v %s", r.Verdict, r.Detail)
			}
		})
	}
}

func TestWalkOfABundle(t *testing.T) {
	w := newWorld(t)
	n := 0
	drivertest.Walk(t, drivertest.Subject{
		World: func(t testing.TB) drivertest.World {
			n++
			own := *w
			own.dir = t.TempDir()
			own.env = map[string]string{"DB": w.url, "REDIS": w.redis.URL(0), "KEY": key, "DIR": own.dir}
			for _, path := range []string{"app.yaml"} {
				if err := os.WriteFile(filepath.Join(own.dir, path), []byte("mode: old\n"), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			s, err := sqlite.Open(t.Context(), filepath.Join(own.dir, "state"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			made := own.make(t, "[db]")
			return drivertest.World{Action: func() driver.Action { return made.Again("bundle") }}
		},
		MayKeep: true, NothingToDisturb: true, Slow: true, Secrets: []string{key, postgrestest.Password},
	})
}

// planned does what a run does before it writes an intent.
func planned(t testing.TB, a driver.Action) (driver.Effect, error) {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		return driver.Effect{}, err
	}
	e := driver.Effect{Before: before, Mine: func() error { return nil }}
	s, ok := a.(driver.Surveyor)
	if !ok {
		e.Want, err = a.Plan(before)
		return e, err
	}
	others, err := s.Survey(t.Context())
	if err != nil {
		return e, err
	}
	e.Want, err = s.PlanAmong(before, others)
	return e, err
}

// applied does what a run does; the effect has the cursor.
func applied(t testing.TB, a driver.Action) driver.Effect {
	t.Helper()
	e, err := planned(t, a)
	if err != nil {
		t.Fatal(err)
	}
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	after, err := a.Apply(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	face := func(s state.State) state.Face { f, _ := s.Face([]byte("key")); return f }
	if !face(after).Equal(face(e.Want)) {
		t.Fatalf("what was planned was not reached: %v, and %v", face(after), face(e.Want))
	}
	return e
}
