package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/internal/soak"
)

func restoreOn(t testing.TB, db *DB, p restoreParams) *restore {
	t.Helper()
	a, err := newRestore(t.Context(), db, p)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*restore)
}

// A source is a database with a backup of it.
type source struct {
	url, dir string
	db       *DB
	n        int
}

func newSource(t *testing.T, sql string) *source {
	t.Helper()
	s := &source{url: server.Database(t), dir: t.TempDir()}
	postgrestest.Exec(t, s.url, sql)
	s.db = connect(t, s.url)
	backedUp(t, s.db, s.dir)
	return s
}

// into is a name for a database that does not exist yet; it is gone with the test.
func (s *source) into(t testing.TB) string {
	t.Helper()
	s.n++
	name := fmt.Sprintf("%s into %d", s.db.name, s.n)
	t.Cleanup(func() { dropDatabase(t, name) })
	return name
}

func dropDatabase(t testing.TB, name string) {
	t.Helper()
	db, err := open(context.Background(), connParams{URL: server.Server(t).URL("postgres")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.pool.Exec(context.Background(), `drop database if exists "`+strings.ReplaceAll(name, `"`, `""`)+`" with (force)`); err != nil {
		t.Error(err)
	}
}

func TestRestoreWalks(t *testing.T) {
	s := newSource(t, readings)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: []string{postgrestest.Password},
		World: func(t testing.TB) drivertest.World {
			into := s.into(t)
			return drivertest.World{
				Action:  func() driver.Action { return restoreOn(t, s.db, restoreParams{From: s.dir, Into: into}) },
				Disturb: func(context.Context) error { dropDatabase(t, into); return nil },
			}
		},
	})
}

func TestRestoreIntoAnEmptyDatabaseWalks(t *testing.T) {
	if !soak.On() {
		t.Skip("only with " + soak.Variable + ": TestRestoreWalks is most of it")
	}
	s := newSource(t, readings)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: []string{postgrestest.Password}, MayKeep: true,
		World: func(t testing.TB) drivertest.World {
			into := s.into(t)
			postgrestest.Exec(t, s.url, `create database "`+into+`"`)
			postgrestest.Exec(t, s.url, `comment on database "`+into+`" is 'made by hand'`)
			return drivertest.World{
				Action: func() driver.Action { return restoreOn(t, s.db, restoreParams{From: s.dir, Into: into}) },
				Disturb: func(context.Context) error {
					postgrestest.Exec(t, s.url, `comment on database "`+into+`" is null`)
					return nil
				},
			}
		},
	})
}

func TestWhatIsRestoredIsWhatWasDumped(t *testing.T) {
	s := newSource(t, readings)
	postgrestest.Exec(t, s.url, "delete from hrv_data") // after the backup
	into := s.into(t)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	e, err := apply(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := a.look(t.Context())
	if err != nil || now.Database != isRestored || now.Rows["public.hrv_data"] != 200 || now.Rows[`public."Vendor events"`] != 30 {
		t.Errorf("%+v, %v", now, err)
	}
	for query, want := range map[string]string{
		"select sum(rmssd) from hrv_data":                                       "30150.0",
		"select count(*) from recent":                                           "200",
		"select twice(21)":                                                      "42",
		`select nextval('"Vendor events_id_seq"')`:                              "31",
		"select convert_from(lo_get(oid), 'UTF8') from pg_largeobject_metadata": "a large object",
	} {
		if got := postgrestest.Value(t, server.Server(t).URL(into), query); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
	// nextval above is somebody's work.
	if kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e)); !ok || !strings.Contains(kept.Cost, "as many rows") {
		t.Errorf("undo: %+v", kept)
	}
}

func TestABackupThatChangedAfterThePlanIsNotRestored(t *testing.T) {
	s := newSource(t, readings)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: s.into(t)})
	e, err := planned(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	names, _ := dumps(s.dir, s.db.name)
	if err := flip(filepath.Join(s.dir, names[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("apply: %v", err)
	}
	if now, _, err := a.look(t.Context()); err != nil || now.Database != absent {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestARestoreThatBringsFewerRowsThanWereDumpedFails(t *testing.T) {
	s := newSource(t, readings)
	into := s.into(t)
	names, _ := dumps(s.dir, s.db.name)
	m, err := readManifest(s.dir, names[0])
	if err != nil {
		t.Fatal(err)
	}
	m.Rows["public.hrv_data"] = 201
	if err := m.write(s.dir, names[0]); err != nil {
		t.Fatal(err)
	}
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	e, err := apply(t.Context(), a)
	if err == nil || !strings.Contains(err.Error(), "public.hrv_data: 201 rows → 200") {
		t.Errorf("apply: %v", err)
	}
	if now, _, err := a.look(t.Context()); err != nil || now.Database != absent {
		t.Errorf("%+v, %v", now, err)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Error(err)
	}
}

func TestARestoredDatabaseSortsAsTheOneItIsOf(t *testing.T) {
	url := server.Database(t)
	name := connect(t, url).name
	postgrestest.Exec(t, server.Server(t).URL("postgres"), `drop database `+name)
	postgrestest.Exec(t, server.Server(t).URL("postgres"), `create database `+name+` template template0 encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C'`)
	db, dir := connect(t, url), t.TempDir()
	backedUp(t, db, dir)
	into := name + "_sorted"
	t.Cleanup(func() { dropDatabase(t, into) })
	if _, err := apply(t.Context(), restoreOn(t, db, restoreParams{From: dir, Into: into})); err != nil {
		t.Fatal(err)
	}
	const how = "select pg_encoding_to_char(encoding) || datcollate || datctype from pg_database where datname = current_database()"
	if got := postgrestest.Value(t, server.Server(t).URL(into), how); got != "UTF8C.UTF-8C" {
		t.Errorf("it is made with %s", got)
	}
}

const backupAsWritten = `
segue: v1
name: backup-and-restore
connections:
  db: {postgres: {url: "${DATABASE_URL}"}}
phases:
  - name: one
    steps:
      - name: Back up
        postgres.backup: {on: db, to: "${BACKUP_DIR}", fresh: 10m, format: custom, rows: true, lock-timeout: 30s}
      - name: Restore
        postgres.restore: {on: db, from: "${BACKUP_DIR}", into: athlete_ally_restored}
`

func TestBackupAndRestoreWorkAsWritten(t *testing.T) {
	url, dir := server.Database(t), filepath.Join(t.TempDir(), "backups")
	postgrestest.Exec(t, url, readings)
	t.Cleanup(func() { dropDatabase(t, "athlete_ally_restored") })
	made := drivertest.Make(t, backupAsWritten, map[string]string{"DATABASE_URL": url, "BACKUP_DIR": dir}, Parts()...)
	for _, step := range []string{"Back up", "Restore"} {
		if _, err := apply(t.Context(), made.Actions[step]); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	if got := postgrestest.Value(t, server.Server(t).URL("athlete_ally_restored"), "select count(*) from hrv_data"); got != "200" {
		t.Errorf("%s rows are restored of 200", got)
	}
}
