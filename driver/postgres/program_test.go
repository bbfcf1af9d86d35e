package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

// pretend makes a directory with programs of a version that do as a script says.
func pretend(t testing.TB, version, dump, restore string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{"pg_dump": dump, "pg_restore": restore} {
		text := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '%s (PostgreSQL) %s (Test)'; exit; fi\n%s\n", name, version, script)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheClientNearestToTheServerAndNotOlderIsTaken(t *testing.T) {
	dirs := map[string]string{}
	for _, v := range []string{"9.6.24", "14.2", "15.18", "16beta1", "17.0"} {
		dirs[v] = pretend(t, v, "", "")
	}
	broken := pretend(t, "x", "", "")
	alone := pretend(t, "15.1", "", "")
	if err := os.Remove(filepath.Join(alone, "pg_restore")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		programs, path []string
		major          int
		want, problem  string
	}{
		"the same":             {[]string{dirs["14.2"], dirs["17.0"], dirs["15.18"]}, nil, 15, "15.18", ""},
		"a newer one":          {[]string{dirs["14.2"], dirs["17.0"]}, nil, 15, "17.0", ""},
		"a beta":               {[]string{dirs["17.0"], dirs["16beta1"]}, nil, 16, "16beta1", ""},
		"in PATH":              {nil, []string{dirs["9.6.24"], dirs["15.18"]}, 15, "15.18", ""},
		"only older ones":      {[]string{dirs["14.2"]}, []string{dirs["9.6.24"]}, 15, "", "version 14.2 in"},
		"one that is broken":   {[]string{broken}, nil, 15, "", `--version says`},
		"pg_dump alone":        {[]string{alone}, nil, 15, "", "there is none"},
		"none":                 {nil, nil, 15, "", "no pg_dump and pg_restore of version 15 or newer"},
		"relative directories": {nil, []string{".", ""}, 15, "", "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", strings.Join(append(c.path, "/bin-that-is-none"), ":"))
			got, err := (&DB{programs: c.programs}).client(t.Context(), c.major)
			if got.version != c.want || err != nil && (c.problem == "" || !strings.Contains(err.Error(), c.problem)) {
				t.Errorf("%+v, %v; want %q, %q", got, err, c.want, c.problem)
			}
		})
	}
}

func TestABackupWhosePgDumpDiesIsNone(t *testing.T) {
	url := server.Database(t)
	postgrestest.Exec(t, url, readings)
	for name, c := range map[string]struct{ dump, restore, want string }{
		"killed half-way":          {"printf 'PGDMP half'; kill -9 $$", "cat >/dev/null", "signal: killed"},
		"an error, and a secret":   {"echo 'pg_dump: error: no " + postgrestest.Password + " here' >&2; echo 'row: 42' >&2; exit 1", "", "exit status 1: error: no [secret] here"},
		"it ends well, unreadably": {"printf 'PGDMP half'", "echo 'pg_restore: error: unexpected end of file' >&2; exit 1", "the dump cannot be read: pg_restore: exit status 1: error: unexpected end of file"},
		"a child that it leaves":   {"sleep 2 & exit 3", "", "exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			db, dir := connect(t, url), t.TempDir()
			db.programs = []string{pretend(t, "15.1", c.dump, c.restore)}
			_, err := apply(t.Context(), backupOn(t, db, backupParams{To: dir}))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), postgrestest.Password) || strings.Contains(err.Error(), "row: 42") {
				t.Errorf("apply: %v, want %q", err, c.want)
			}
			nothingIn(t, dir)
		})
	}
}

func TestARealDumpThatIsCutOffCannotBeRead(t *testing.T) {
	url, dir := server.Database(t), t.TempDir()
	postgrestest.Exec(t, url, readings)
	db := connect(t, url)
	c, err := db.client(t.Context(), 15)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, backedUp(t, db, dir))
	a := &backup{db: db}
	prove := func() error {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		return a.db.readable(t.Context(), c, f)
	}
	if err := prove(); err != nil {
		t.Errorf("a whole one: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-200); err != nil {
		t.Fatal(err)
	}
	if prove() == nil {
		t.Error("the table of contents is whole and the last rows are not, and it counts as readable")
	}
}

func TestCancellingABackupEndsAllThatItStarted(t *testing.T) {
	url, dir := server.Database(t), t.TempDir()
	db := connect(t, url)
	pids := filepath.Join(t.TempDir(), "pids")
	// It ignores being asked, as does its child.
	db.programs = []string{pretend(t, "15.1", "trap '' TERM; sleep 600 & echo $$ $! >"+pids+".part; mv "+pids+".part "+pids+"; wait; sleep 600", "")}
	a := backupOn(t, db, backupParams{To: dir})
	e, err := planned(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := a.Apply(ctx, e); ended <- err }()
	var started []byte
	eventually(t, func() bool { started, err = os.ReadFile(pids); return err == nil })
	cancel()
	began := time.Now()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("apply: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s to end", took)
	}
	for _, text := range strings.Fields(string(started)) {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return over(pid) })
	}
	nothingIn(t, dir)
}

// over reports that a process has ended: it is gone, or waits to be collected.
func over(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ")
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer late.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatal("it does not come about")
		}
	}
}

func TestThePasswordIsInNoArgumentAndNoFile(t *testing.T) {
	url, dir := server.Database(t), t.TempDir()
	db := connect(t, url)
	seen := filepath.Join(t.TempDir(), "seen")
	db.programs = []string{pretend(t, "15.1", `tr '\0' ' ' </proc/$$/cmdline >`+seen+`; test -n "$PGPASSWORD" && echo has it >>`+seen+`; exit 1`, "")}
	_, _ = apply(t.Context(), backupOn(t, db, backupParams{To: dir}))
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), postgrestest.Password) || strings.Contains(string(text), "secret") || !strings.Contains(string(text), "has it") {
		t.Errorf("its arguments are %s", text)
	}
}

func TestAComplaintHasNeitherRowsNorCommands(t *testing.T) {
	text := `pg_restore: error: COPY failed for table "t": ERROR:  duplicate key value violates unique constraint "t_pkey"
DETAIL:  Key (mail)=(alice@example.org) already exists.
CONTEXT:  COPY t, line 2
pg_restore: error: could not execute query: ERROR:  permission denied
pg_restore: detail: Command was: CREATE USER MAPPING FOR x SERVER s OPTIONS (password 'hunter2');
Command was: CREATE SUBSCRIPTION
HINT:  ask the owner`
	want := `: error: COPY failed for table "t": ERROR:  duplicate key value violates unique constraint "t_pkey"; error: could not execute query: ERROR:  permission denied; HINT:  ask the owner`
	if got := complaint("pg_restore", text); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := complaint("pg_dump", "pg_dump: command not found?\n"); got != ": command not found?" {
		t.Errorf("got %s", got)
	}
}
