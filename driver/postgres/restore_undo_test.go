package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
)

func TestUndoDropsOnlyWhatNobodyTouched(t *testing.T) {
	s := newSource(t, readings)
	for name, c := range map[string]struct {
		sql  string
		cost string // "" if it is dropped
	}{
		"nothing":          {"select 1", ""},
		"read":             {"select * from hrv_data; analyze; vacuum full hrv_data", ""},
		"rows added":       {"insert into hrv_data values ('late', 1), ('later', 2)", "public.hrv_data: 200 rows → 202"},
		"a row changed":    {"update hrv_data set rmssd = 7 where user_id = 'u9'", "as many rows, and others"},
		"a row replaced":   {"delete from hrv_data where user_id = 'u9'; insert into hrv_data values ('u0', 1)", "as many rows, and others"},
		"an empty table":   {"create table notes (n int)", "table public.notes (0 rows) is new"},
		"a column":         {`alter table hrv_data add column source text`, "or other definitions"},
		"a function":       {"create function thrice(n int) returns int language sql as 'select 3 * n'", "or other definitions"},
		"a sequence moved": {`select nextval('"Vendor events_id_seq"')`, "as many rows"},
		"a large object":   {"select lo_from_bytea(0, 'another')", "as many rows"},
	} {
		t.Run(name, func(t *testing.T) {
			into := s.into(t)
			a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
			e, err := apply(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range strings.Split(c.sql, "; ") {
				postgrestest.Exec(t, server.Server(t).URL(into), one)
			}
			err = a.Undo(t.Context(), e)
			kept, _ := errors.AsType[*driver.Kept](err)
			switch {
			case c.cost == "" && err != nil, c.cost != "" && (kept == nil || !strings.Contains(kept.Cost, c.cost)):
				t.Errorf("undo: %v, want %q", err, c.cost)
			}
			now, _, err := a.look(t.Context())
			if gone := now.Database == absent; err != nil || gone != (c.cost == "") {
				t.Errorf("after undo: %+v, %v", now, err)
			}
		})
	}
}

func TestUndoLeavesADatabaseThatSomebodyIsConnectedTo(t *testing.T) {
	s := newSource(t, readings)
	into := s.into(t)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	e, err := apply(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	user := connect(t, server.Server(t).URL(into))
	if err := user.pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e)); !ok || !strings.Contains(kept.Cost, "1 sessions are connected") {
		t.Errorf("undo: %+v", kept)
	}
	if _, err := user.pool.Exec(t.Context(), "insert into hrv_data values ('late', 1)"); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

func TestADatabaseWrittenToAfterAnUndoBeganGetsItsNameBack(t *testing.T) {
	s := newSource(t, readings)
	into := s.into(t)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	e, err := apply(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	// Written to after the first look, before the rename.
	looked := false
	e.Mine = func() error {
		if !looked {
			looked = true
			postgrestest.Exec(t, server.Server(t).URL(into), "insert into hrv_data values ('late', 1)")
		}
		return nil
	}
	if kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e)); !ok || !strings.Contains(kept.Cost, "200 rows → 201") {
		t.Errorf("undo: %+v", kept)
	}
	if got := postgrestest.Value(t, server.Server(t).URL(into), "select count(*) from hrv_data"); got != "201" {
		t.Errorf("%s rows are under its name", got)
	}
}

// halfMade is a restore that died while pg_restore was at work.
func halfMade(t *testing.T, s *source, into string) driver.Effect {
	t.Helper()
	db := connect(t, s.url)
	db.programs = []string{pretend(t, "99.0", "", "kill -9 $$")}
	e, err := apply(t.Context(), restoreOn(t, db, restoreParams{From: s.dir, Into: into}))
	if err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Fatalf("pg_restore was killed, and the restore ends with %v", err)
	}
	postgrestest.Exec(t, server.Server(t).URL(restoreOn(t, s.db, restoreParams{From: s.dir, Into: into}).partial()), "create table half (n int)")
	return e
}

func TestAHalfMadeDatabaseIsNotSeenAndIsRemade(t *testing.T) {
	s := newSource(t, readings)
	into := s.into(t)
	halfMade(t, s, into)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	if now, _, err := a.look(t.Context()); err != nil || now.Database != absent {
		t.Fatalf("half-made, it shows as %+v, %v", now, err)
	}
	if _, err := apply(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	at := server.Server(t).URL(into)
	if got := postgrestest.Value(t, at, "select to_regclass('half')") + postgrestest.Value(t, at, "select count(*) from hrv_data"); got != "200" {
		t.Errorf("remade, it holds %q", got)
	}
}

func TestAHalfMadeDatabaseIsDroppedByUndo(t *testing.T) {
	s := newSource(t, readings)
	into := s.into(t)
	e := halfMade(t, s, into)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: into})
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if n, err := s.db.neighbour(t.Context(), a.partial()); err != nil || n.there {
		t.Errorf("it is still there: %+v, %v", n, err)
	}
}

func TestADatabaseOfOthersUnderTheNameOfAHalfMadeOneIsLeft(t *testing.T) {
	s := newSource(t, readings)
	a := restoreOn(t, s.db, restoreParams{From: s.dir, Into: s.into(t)})
	t.Cleanup(func() { dropDatabase(t, a.partial()) })
	postgrestest.Exec(t, s.url, `create database "`+a.partial()+`"`)
	postgrestest.Exec(t, server.Server(t).URL(a.partial()), "create table theirs (n int)")
	e, err := apply(t.Context(), a)
	if err == nil || !strings.Contains(err.Error(), "has no mark of a restore") {
		t.Errorf("apply: %v", err)
	}
	if err := a.Undo(t.Context(), e); err == nil || !strings.Contains(err.Error(), "has no mark of a restore") {
		t.Errorf("undo: %v", err)
	}
	postgrestest.Value(t, server.Server(t).URL(a.partial()), "select count(*) from theirs")
}
