package redis

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/redis/redistest"
)

func TestWhatRedisHasNoRoomForIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		plant        func()
		reason, want string
	}{
		"all is well": {func() {}, "", ""},
		"memory": {func() {
			f.do(0, "config", "set", "maxmemory", "1mb")
		}, "maxmemory is 1 MiB", "more maxmemory"},
		"databases": {func() {
			for db := range 15 {
				f.do(db, "set", "used", "1")
			}
		}, "2 databases are restored, each beside in an empty one, and 1 are empty", "a few at a time"},
		"databases that restores have put aside": {func() {
			for db := range 15 {
				f.do(db, "set", "used", "1")
			}
			f.do(14, "set", replacedKey, "{}")
		}, "1 are empty", "FLUSHDB in db14"},
		"a replica": {func() { f.do(0, "replicaof", "127.0.0.1", "1") }, "it is a replica", "its own master"},
	} {
		t.Run(name, func(t *testing.T) { // one server: one after the other
			f.do(0, "replicaof", "no", "one")
			f.do(0, "config", "set", "maxmemory", "64mb")
			f.do(0, "flushall")
			c.plant()
			_, err := f.effect(f.restoring())
			refused, _ := errors.AsType[*driver.Refusal](err)
			switch {
			case c.reason == "":
				if err != nil {
					t.Error(err)
				}
			case refused == nil || !strings.Contains(refused.Reason, c.reason) || !strings.Contains(refused.Remedy, c.want):
				t.Errorf("%v; want %q, %q", err, c.reason, c.want)
			}
		})
	}
}

// Negative controls of what is looked at after it was filled.
func TestWhatIsFilledOtherwiseThanItWasDumpedIsFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dir, _ := f.from.Good(t.Context())
	own, err := serve(t.Context(), filepath.Join(dir, rdbFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	source, to := own.client(0), f.at(9)
	t.Cleanup(func() { _, _ = source.Close(), to.Close() })
	a := f.restoring()
	for name, c := range map[string]struct {
		plant []any
		want  string
	}{
		"nothing":               {[]any{"ping"}, ""},
		"a key that is missing": {[]any{"del", "robot:7"}, `key "robot:7" expires at -2, and did at -1`},
		"another expiry":        {[]any{"persist", "token"}, `key "token" expires at -1, and did at`},
		"a key too many":        {[]any{"set", "more", "1"}, "somebody else writes there"},
	} {
		f.do(9, "flushdb")
		f.do(9, "set", fillingKey, "{}")
		total, err := a.fill(t.Context(), func() error { return nil }, source, to)
		if err != nil {
			t.Fatal(err)
		}
		f.do(9, c.plant...)
		if err := a.check(t.Context(), source, to, total); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestAServerThatIsAwayIsSaidAndADumpThatChangedIsNotRestored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.do(0, "flushall")
	a := f.restoring()
	e, err := f.effect(a)
	if err != nil {
		t.Fatal(err)
	}
	e.Save = func(context.Context, any) error { return nil }
	f.from.Check = func(context.Context, string) error { return errors.New("it is not what was written") }
	if _, err := f.restoring().Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "restore db0, db3 from bundle-1/cache: it is not what was written") {
		t.Errorf("a dump that changed: %v", err)
	}
	if at, err := f.c.databases(t.Context()); err != nil || len(at) != 0 {
		t.Errorf("something was written: %v, %v", at, err)
	}
	f.Stop()
	if _, err := a.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), f.c.String()) || strings.Contains(err.Error(), redistest.Password) {
		t.Errorf("a server that is away: %v", err)
	}
}

func TestWhatRedisCannotRestoreIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"0", "db", "db0 ", "db-1"} {
		if _, err := f.c.Returning(t.Context(), f.from, []string{name}); err == nil {
			t.Errorf("%q is taken for a database", name)
		}
	}
}
