package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/redis/redistest"
)

// fixture is a server with keys in two databases, and a dump of it.
type fixture struct {
	*redistest.Server
	t    testing.TB
	c    *Conn
	from driver.Dumps
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	s := redistest.Start(t)
	f := &fixture{Server: s, t: t, c: connect(t, s.URL(0))}
	f.do(0, "config", "set", "repl-diskless-sync-delay", "0")
	f.reset()
	dir := filepath.Join(t.TempDir(), "bundle-1", "cache")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.c.Dump(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	f.from = driver.Dumps{
		Dir:   filepath.Dir(filepath.Dir(dir)),
		Good:  func(context.Context) (string, error) { return dir, nil },
		All:   func() ([]string, error) { return []string{dir}, nil },
		Check: func(context.Context, string) error { return nil },
	}
	return f
}

// do asks the server, in a database.
func (f *fixture) do(db int, args ...any) any {
	f.t.Helper()
	client := f.at(db)
	defer client.Close()
	v, err := client.Do(f.t.Context(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		f.t.Fatalf("%v: %v", args, err)
	}
	return v
}

func (f *fixture) at(db int) *redis.Client { return f.c.at(db) }

// expiry is when what expires does.
var expiry = time.Now().Add(5 * time.Hour).Truncate(time.Millisecond)

// reset gives the databases what they have when they are dumped.
func (f *fixture) reset() {
	f.do(0, "flushall")
	for i := range 250 {
		f.do(0, "set", fmt.Sprint("robot:", i), i)
	}
	f.do(0, "hset", "state", "mode", "old", "phase", "1")
	f.do(0, "zadd", "queue", "2", "b", "1", "a")
	f.do(0, "xadd", "events", "1-1", "name", "seen")
	f.do(0, "set", "token", "x", "pxat", expiry.UnixMilli())
	f.do(3, "rpush", "list", "one", "two")
}

func (f *fixture) restoring(only ...string) *restore {
	f.t.Helper()
	a, err := f.c.Returning(f.t.Context(), f.from, only)
	if err != nil {
		f.t.Fatal(err)
	}
	return a.(*restore)
}

// content is what a database has, but for marks: what each key holds, and when it
// expires.
func (f *fixture) content(db int) map[string]string {
	f.t.Helper()
	client := f.at(db)
	defer client.Close()
	out := map[string]string{}
	keys, err := client.Keys(f.t.Context(), "*").Result()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, key := range keys {
		if ours(key) {
			continue
		}
		kind := client.Type(f.t.Context(), key).Val()
		read := map[string][]any{
			"string": {"get", key}, "hash": {"hgetall", key}, "list": {"lrange", key, 0, -1},
			"zset": {"zrange", key, 0, -1, "withscores"}, "stream": {"xrange", key, "-", "+"},
		}[kind]
		value, err := client.Do(f.t.Context(), read...).Result()
		if err != nil {
			f.t.Fatal(err)
		}
		at, err := client.Do(f.t.Context(), "pexpiretime", key).Int64()
		if err != nil {
			f.t.Fatal(err)
		}
		out[key] = fmt.Sprint(kind, value, " ", at)
	}
	return out
}

// effect observes and plans.
func (f *fixture) effect(a *restore) (driver.Effect, error) {
	before, err := a.Observe(f.t.Context())
	if err != nil {
		return driver.Effect{}, err
	}
	others, err := a.Survey(f.t.Context())
	if err != nil {
		return driver.Effect{}, err
	}
	want, err := a.PlanAmong(before, others)
	return driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}, err
}

// apply plans and applies; the effect has the cursor.
func (f *fixture) apply(a *restore) driver.Effect {
	f.t.Helper()
	e, err := f.effect(a)
	if err != nil {
		f.t.Fatal(err)
	}
	e.Save = func(_ context.Context, cursor any) (err error) {
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	if _, err := a.Apply(f.t.Context(), e); err != nil {
		f.t.Fatal(err)
	}
	return e
}

func TestRestoreWalks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	drivertest.Walk(t, drivertest.Subject{
		MayKeep: true, Secrets: []string{redistest.Password},
		World: func(t testing.TB) drivertest.World {
			f.do(0, "flushall")
			f.do(0, "set", "robot:1", "corrupt")
			return drivertest.World{
				Action:  func() driver.Action { return f.restoring() },
				Disturb: func(context.Context) error { f.do(0, "flushdb"); return nil },
			}
		},
	})
}

func TestWhatRedisHeldIsThereAgainWithItsExpiriesAndUndoBringsBackTheOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	was := map[int]map[string]string{0: f.content(0), 3: f.content(3)}
	f.do(0, "flushall")
	f.do(0, "set", "robot:1", "corrupt")
	f.do(0, "set", "newer", "x")
	f.do(5, "set", "other", "stays")
	now := map[int]map[string]string{0: f.content(0), 3: f.content(3), 5: f.content(5)}

	a := f.restoring()
	e := f.apply(a)
	for db, want := range was {
		if diff := cmp.Diff(want, f.content(db)); diff != "" {
			t.Errorf("db%d (-dumped +restored):\n%s", db, diff)
		}
	}
	if len(was[0]) != 254 || !strings.HasSuffix(was[0]["token"], fmt.Sprint(" ", expiry.UnixMilli())) {
		t.Errorf("the content is not what was meant: %d keys, %s", len(was[0]), was[0]["token"])
	}
	if got := f.do(5, "get", "other"); got != "stays" {
		t.Errorf("a database that the dump has nothing of: %v", got)
	}
	if text := a.Costs(e.Before, e.Want); !strings.Contains(text, "what db0, db3 of redis") {
		t.Errorf("costs: %q", text)
	}
	// Planned again there is nothing to do.
	if again, err := f.effect(f.restoring()); err != nil || a.Costs(again.Before, again.Want) != "" {
		t.Errorf("planned again: %v, %v", again.Want, err)
	}

	f.do(0, "set", "since", "1")
	kept, ok := errors.AsType[*driver.Kept](f.restoring().Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.Cost, "what was written since") {
		t.Errorf("undo: %v", kept)
	}
	for db, want := range now {
		if diff := cmp.Diff(want, f.content(db)); diff != "" {
			t.Errorf("db%d after undo (-want +got):\n%s", db, diff)
		}
	}
	// Nothing that was written since is lost.
	if got := f.do(15, "get", "since"); got != "1" {
		t.Errorf("what was written since: %v", got)
	}
	// Applied again, with the cursor of then, it takes other places.
	e.Save = func(context.Context, any) error { return nil }
	if _, err := f.restoring().Apply(t.Context(), e); err != nil {
		t.Errorf("applied again: %v", err)
	}
	if diff := cmp.Diff(was[0], f.content(0)); diff != "" {
		t.Errorf("applied again (-dumped +restored):\n%s", diff)
	}
	if got := f.do(15, "get", "since"); got != "1" {
		t.Errorf("what was written since: %v", got)
	}
}

func TestOneDatabaseIsRestoredAndOthersStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.do(0, "set", "robot:1", "newer")
	f.do(3, "del", "list")
	f.apply(f.restoring("db3"))
	if got := f.do(3, "llen", "list"); got != int64(2) {
		t.Errorf("db3 has a list of %v", got)
	}
	if got := f.do(0, "get", "robot:1"); got != "newer" {
		t.Errorf("db0 was touched: %v", got)
	}
	_, err := f.effect(f.restoring("db7"))
	if refused, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(refused.Reason, "has no keys of db7") {
		t.Errorf("a database that it has nothing of: %v", err)
	}
}

func TestWhatWasPutAsideAndClearedCannotBeHadBackAndUndoSaysSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	e := f.apply(f.restoring("db0"))
	f.do(15, "flushdb")
	kept, ok := errors.AsType[*driver.Kept](f.restoring("db0").Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.Cost, "it cannot be had back") || len(kept.Fields) != 1 {
		t.Errorf("undo: %v", kept)
	}
	if got := f.do(0, "dbsize"); got != int64(255) {
		t.Errorf("db0 has %v keys", got)
	}
}
