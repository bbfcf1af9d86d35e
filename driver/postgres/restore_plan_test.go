package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

func TestRestoreRefusesBeforeItTouchesAnything(t *testing.T) {
	s := newSource(t, readings)
	names, err := dumps(s.dir, s.db.name)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := func(spoil func(string) error) string {
		dir := t.TempDir()
		if err := spoil(filepath.Join(dir, backedUp(t, s.db, dir))); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	full, owned := s.into(t), s.into(t)
	postgrestest.Exec(t, s.url, `create database "`+full+`"`)
	postgrestest.Exec(t, server.Server(t).URL(full), "create table theirs (n int)")
	postgrestest.Exec(t, s.url, `create database "`+owned+`"`)
	postgrestest.Exec(t, s.url, `drop role if exists reader; create role reader login password 'reader pw' nosuperuser`)
	reader := connect(t, strings.Replace(s.url, postgrestest.User+":pg%2Fsecret+of%20tests@", "reader:reader%20pw@", 1))
	bare := connect(t, s.url)
	bare.programs = nil
	t.Setenv("PATH", t.TempDir())
	for name, c := range map[string]struct {
		db           *DB
		p            restoreParams
		reason, want string
	}{
		"all is well":             {s.db, restoreParams{From: s.dir, Into: "free"}, "", ""},
		"a database with tables":  {s.db, restoreParams{From: s.dir, Into: full}, "exists and is not empty", "another name"},
		"the database itself":     {s.db, restoreParams{From: s.dir, Into: s.db.name}, "the very database", "_restored"},
		"no directory":            {s.db, restoreParams{From: filepath.Join(s.dir, "none"), Into: "free"}, "there is no backup of database", "postgres.backup"},
		"a truncated dump":        {s.db, restoreParams{From: spoilt(func(p string) error { return os.Truncate(p, 50) }), Into: "free"}, "has 50 bytes, and", "postgres.backup"},
		"a flipped byte":          {s.db, restoreParams{From: spoilt(flip), Into: "free"}, "does not fit", "postgres.backup"},
		"a dump without manifest": {s.db, restoreParams{From: spoilt(func(p string) error { return os.Remove(p + manifestEnding) }), Into: "free"}, "no manifest beside it", "postgres.backup"},
		"a backup by its name":    {s.db, restoreParams{From: s.dir, Backup: names[0], Into: "free"}, "", ""},
		"a name that is none":     {s.db, restoreParams{From: s.dir, Backup: "x.dump", Into: "free"}, "no manifest beside it", "postgres.backup"},
		"a role that may not":     {reader, restoreParams{From: s.dir, Into: "free"}, "role reader may not create databases (42501)", "CREATEDB"},
		"an empty one of others":  {reader, restoreParams{From: s.dir, Into: owned}, "not owned by role reader", "its owner"},
		"no pg_restore":           {bare, restoreParams{From: s.dir, Into: "free"}, "no pg_dump and pg_restore of version", "postgresql-client-"},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := connect(t, c.db.pool.Config().ConnString()) // which remembers no checksum
			fresh.programs = c.db.programs
			_, err := planned(t.Context(), restoreOn(t, fresh, c.p))
			refusal, _ := errors.AsType[*driver.Refusal](err)
			switch {
			case c.reason == "":
				if err != nil {
					t.Error(err)
				}
			case refusal == nil || !strings.Contains(refusal.Reason, c.reason) || !strings.Contains(refusal.Remedy, c.want):
				t.Errorf("%v, want a refusal as %q, remedy %q", err, c.reason, c.want)
			}
		})
	}
}

func TestRestoreAfterABackupOfTheSameRunIsPlannedBeforeThereIsOne(t *testing.T) {
	db, dir := connect(t, server.Database(t)), t.TempDir()
	b, r := backupOn(t, db, backupParams{To: dir}), restoreOn(t, db, restoreParams{From: dir, Into: "later"})
	taken, err := planned(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others, err := r.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PlanAmong(before, others); err == nil {
		t.Error("no backup, and yet a plan")
	}
	want, err := r.PlanAmong(before, others.With(taken.Want))
	if err != nil || len(state.Diff(state.Face(before), state.Face(want))) == 0 {
		t.Errorf("with a backup before it: %v, %v", want, err)
	}
}

func TestRestoreTakesTheNewestWholeOne(t *testing.T) {
	s := newSource(t, readings)
	names, _ := dumps(s.dir, s.db.name)
	newer := backedUp(t, s.db, s.dir)
	if newer == names[0] {
		t.Fatal("no second backup")
	}
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: "whole"})
	if name, _, err := a.find(t.Context()); err != nil || name != newer {
		t.Errorf("finds %s, %v; want %s", name, err, newer)
	}
	if err := os.Truncate(filepath.Join(s.dir, newer), 10); err != nil {
		t.Fatal(err)
	}
	if name, _, err := a.find(t.Context()); err != nil || name != names[0] {
		t.Errorf("finds %s, %v; want %s", name, err, names[0])
	}
}

func TestRestoreParamsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		p     restoreParams
		field string
	}{
		"all is well":        {restoreParams{From: "/b", Into: `O'Hara "x"`, Backup: "a-20260102T150405.000Z.dump"}, ""},
		"by the environment": {restoreParams{From: "${BACKUPS}", Into: "${INTO}", Backup: "${BACKUP}"}, ""},
		"a path":             {restoreParams{From: "/b", Into: "x", Backup: "../a.dump"}, "backup"},
		"no dump":            {restoreParams{From: "/b", Into: "x", Backup: "a.sql"}, "backup"},
		"a long name":        {restoreParams{From: "/b", Into: strings.Repeat("ä", 32)}, "into"},
		"no name":            {restoreParams{From: "/b"}, "into"},
		"the server's own":   {restoreParams{From: "/b", Into: "template1"}, "into"},
		"no directory":       {restoreParams{Into: "x"}, "from"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if wrong, ok := errors.AsType[*runbook.FieldError](c.p.Validate()); ok {
				got = wrong.Field
			}
			if got != c.field {
				t.Errorf("refused for %q, want %q", got, c.field)
			}
		})
	}
}
