package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/evidence"
)

// readings fills a database with what a dump must carry.
const readings = `create table hrv_data (user_id text primary key, rmssd numeric, at timestamptz default now());
	insert into hrv_data select 'u' || i, i * 1.5 from generate_series(1, 200) i;
	create table "Vendor events" (id serial primary key, body jsonb);
	insert into "Vendor events" (body) select jsonb_build_object('n', i) from generate_series(1, 30) i;
	create view recent as select * from hrv_data;
	create function twice(n int) returns int language sql as 'select 2 * n';
	select lo_from_bytea(0, 'a large object');`

func backupOn(t testing.TB, db *DB, p backupParams) driver.Action {
	t.Helper()
	a, err := newBackup(t.Context(), db, p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// apply carries an action out, as a run does.
func apply(ctx context.Context, a driver.Action) (driver.Effect, error) {
	e, err := planned(ctx, a)
	if err == nil {
		_, err = a.Apply(ctx, e)
	}
	return e, err
}

func planned(ctx context.Context, a driver.Action) (driver.Effect, error) {
	before, err := a.Observe(ctx)
	if err != nil {
		return driver.Effect{}, err
	}
	s := a.(driver.Surveyor)
	others, err := s.Survey(ctx)
	if err != nil {
		return driver.Effect{}, err
	}
	want, err := s.PlanAmong(before, others)
	return always(driver.Effect{Before: before, Want: want}), err
}

// backedUp makes one backup of a database and returns its name.
func backedUp(t testing.TB, db *DB, dir string) string {
	t.Helper()
	fresh := time.Duration(0)
	if _, err := apply(t.Context(), backupOn(t, db, backupParams{To: dir, Fresh: &fresh})); err != nil {
		t.Fatal(err)
	}
	names, err := dumps(dir, db.name)
	if err != nil || len(names) == 0 {
		t.Fatalf("backups %v, %v", names, err)
	}
	return names[0]
}

func TestBackupWalks(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, readings)
	db := connect(t, url)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: []string{postgrestest.Password}, MayKeep: true, NothingToDisturb: true,
		World: func(t testing.TB) drivertest.World {
			p := backupParams{To: filepath.Join(t.TempDir(), "backups")}
			return drivertest.World{Action: func() driver.Action { return backupOn(t, db, p) }}
		},
	})
}

func TestABackupIsOneWholeFileForItsOwnerAloneAndSaysWhatItIs(t *testing.T) {
	url, dir := server.Database(t), filepath.Join(t.TempDir(), "backups")
	postgrestest.Exec(t, url, readings)
	db := connect(t, url)
	began := time.Now()
	name := backedUp(t, db, dir)
	m, err := whole(t.Context(), dir, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := db.ID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Identity != id || m.Database != db.name || m.Taken.Before(began) || m.Rows["public.hrv_data"] != 200 || m.Rows[`public."Vendor events"`] != 30 {
		t.Errorf("the manifest says %+v", m)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if len(entries) != 2 {
		t.Errorf("%d files are there, a dump and a manifest were expected", len(entries))
	}
	r := (&backupAge{nil, backupAgeParams{Dir: dir, Pattern: "*.dump", NewerThan: time.Hour}}).Read(t.Context())
	if r.Verdict != evidence.Pass || r.Samples != 1 {
		t.Errorf("postgres.backup-age sees %+v", r)
	}
	if kept, err := db.client(t.Context(), 15); err != nil || kept.major < 15 {
		t.Errorf("client %+v, %v", kept, err)
	}
}

func TestABackupThatIsNotWholeOrNotOfThisDatabaseDoesNotCount(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, readings)
	db := connect(t, url)
	other := connect(t, server.Database(t))
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  bool
	}{
		"as it was taken": {func(string) error { return nil }, true},
		"truncated":       {func(path string) error { return os.Truncate(path, 100) }, false},
		"a byte flipped":  {flip, false},
		"no manifest":     {func(path string) error { return os.Remove(path + manifestEnding) }, false},
		"half a manifest": {func(path string) error { return os.Truncate(path+manifestEnding, 20) }, false},
		"only a manifest": {os.Remove, false},
		"of another database, renamed": {func(path string) error {
			dir := filepath.Dir(path)
			if err := errors.Join(os.Remove(path), os.Remove(path+manifestEnding)); err != nil {
				return err
			}
			from := filepath.Join(dir, backedUp(t, other, dir))
			return errors.Join(os.Rename(from, path), os.Rename(from+manifestEnding, path+manifestEnding))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.spoil(filepath.Join(dir, backedUp(t, db, dir))); err != nil {
				t.Fatal(err)
			}
			// Another process: it does not remember the checksum.
			a := backupOn(t, connect(t, url), backupParams{To: dir})
			now, err := a.Observe(t.Context())
			if got := len(now[a.Resources()[0].ID]) > 0; err != nil || got != c.want {
				t.Errorf("it counts: %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// flip changes a byte in the middle of a file.
func flip(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[len(raw)/2] ^= 1
	return os.WriteFile(path, raw, 0o600)
}

func TestABackupThatIsFreshEnoughIsNotTakenAgain(t *testing.T) {
	db, dir := connect(t, server.Database(t)), t.TempDir()
	first := backedUp(t, db, dir)
	e, err := apply(t.Context(), backupOn(t, db, backupParams{To: dir}))
	if err != nil || len(e.Before) == 0 {
		t.Fatal(err)
	}
	if names, _ := dumps(dir, db.name); len(names) != 1 || names[0] != first {
		t.Errorf("backups %v, want %s alone", names, first)
	}
	if second := backedUp(t, db, dir); second == first {
		t.Error("with fresh: 0s none is taken")
	}
}

func TestWritersGoOnDuringABackup(t *testing.T) {
	url, dir := server.Database(t), t.TempDir()
	postgrestest.Exec(t, url, readings)
	db := connect(t, url)
	a := backupOn(t, db, backupParams{To: dir})
	e, err := planned(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	wrote := 0
	e.Save = func(context.Context, any) error { return nil }
	s, err := db.snapshot(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	for ; wrote < 10; wrote++ {
		postgrestest.Exec(t, url, fmt.Sprintf(`set lock_timeout = '500ms'; insert into hrv_data values ('new%d', 1);
			update hrv_data set rmssd = 0 where user_id = 'u1'; delete from hrv_data where user_id = 'u%d'`, wrote, wrote+2))
	}
	rows, err := countRows(t.Context(), s.tx, s.tables)
	if err != nil || rows["public.hrv_data"] != 200 {
		t.Errorf("the snapshot counts %v, %v; 200 rows were there when it began", rows, err)
	}
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Error(err)
	}
}

func TestABackupDoesNotWaitLongForALockedTable(t *testing.T) {
	url, dir := server.Database(t), t.TempDir()
	postgrestest.Exec(t, url, readings)
	holder := connect(t, url)
	tx, err := holder.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "lock table hrv_data"); err != nil {
		t.Fatal(err)
	}
	for _, rows := range []bool{true, false} {
		_, err = apply(t.Context(), backupOn(t, connect(t, url), backupParams{To: dir, Rows: &rows, LockTimeout: 100 * time.Millisecond}))
		if err == nil || !strings.Contains(err.Error(), "lock timeout") && !strings.Contains(err.Error(), "statement timeout") {
			t.Errorf("rows: %v: a backup of a locked table: %v", rows, err)
		}
	}
	nothingIn(t, dir)
}

func nothingIn(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left", e.Name())
	}
}
