package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/redis/redistest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
	"github.com/segue-run/segue/state"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t testing.TB, url string) *Conn {
	t.Helper()
	c, err := open(t.Context(), connParams{URL: url, Timeout: 2 * time.Second})
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// effect is a run's, which is never in doubt and remembers its cursor.
func effect(before, want state.State) *driver.Effect {
	e := &driver.Effect{Before: before, Want: want, Mine: func() error { return nil }}
	e.Save = func(_ context.Context, cursor any) error {
		var err error
		e.Cursor, err = json.Marshal(cursor)
		return err
	}
	return e
}

// do plans and applies as a run does, and returns what undoes it.
func do(ctx context.Context, a driver.Action) (undo func() error, _ error) {
	before, err := a.Observe(ctx)
	if err != nil {
		return nil, err
	}
	if s, ok := a.(driver.Surveyor); ok {
		if _, err := s.Survey(ctx); err != nil {
			return nil, err
		}
	}
	want, err := a.Plan(before)
	if err != nil {
		return nil, err
	}
	e := effect(before, want)
	_, err = a.Apply(ctx, *e)
	return func() error { return a.Undo(ctx, *e) }, err
}

// robots writes n keys that live for an hour, one that never expires, one that
// expires soon, and one of another kind.
func robots(t testing.TB, r *redis.Client, n int) {
	t.Helper()
	ctx := t.Context()
	check(t, r.FlushDB(ctx).Err())
	_, err := r.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			p.Set(ctx, fmt.Sprintf("robot:%d", i), "{}", time.Hour)
		}
		p.Set(ctx, "robot:always", "{}", 0)
		p.Set(ctx, "robot:soon", "{}", 30*time.Second)
		p.Set(ctx, "other:1", "{}", 0)
		return nil
	})
	check(t, err)
}

func TestIdentityIsTheSameByAnyAddress(t *testing.T) {
	s := redistest.Start(t)
	ids := map[string]bool{}
	for _, url := range []string{s.URL(0), s.SocketURL(0), strings.Replace(s.URL(0), "127.0.0.1", "localhost", 1)} {
		id, err := connect(t, url).ID(t.Context())
		check(t, err)
		ids[id] = true
	}
	one, err := connect(t, s.URL(0)).database(t.Context())
	check(t, err)
	two, err := connect(t, s.URL(1)).database(t.Context())
	check(t, err)
	if len(ids) != 1 || one == two {
		t.Errorf("identities %v; databases %s and %s", ids, one, two)
	}
	other, err := connect(t, redistest.Start(t).URL(0)).ID(t.Context())
	check(t, err)
	if ids[other] {
		t.Errorf("two servers share the identity %s", other)
	}
}

func TestThePasswordShowsNowhere(t *testing.T) {
	s := redistest.Start(t)
	for _, url := range []string{
		strings.Replace(s.URL(0), ":rd%2Fsecret", ":wrong-rd%2Fsecret", 1),
		"redis://:rd/secret+of tests@h:1/0", "redis://:rd%zzsecret@h", "http://u:rd-secret@h", "redis://u:rd-secret@h/x",
	} {
		c, err := open(t.Context(), connParams{URL: url, Timeout: time.Second})
		if err == nil {
			err = c.ask(t.Context(), func(ctx context.Context) error { return c.client.Ping(ctx).Err() })
			_ = c.Close()
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestParametersThatAreWrongAreToldWithTheField(t *testing.T) {
	for _, c := range []struct {
		p     interface{ Validate() error }
		field string
	}{
		{expireParams{patternParams{Pattern: "*"}, time.Minute}, "pattern"},
		{expireParams{patternParams{Pattern: "a*"}, time.Millisecond}, "ttl"},
		{clearParams{patternParams{Pattern: "**"}}, "pattern"},
		{clearParams{patternParams{}}, "pattern"},
		{clearParams{patternParams{Pattern: "a", Limit: -1}}, "limit"},
		{keysParams{patternParams: patternParams{}}, "pattern"},
		{configParams{}, "set"},
		{configParams{Set: map[string]string{"max*": "1"}}, "set"},
		{configParams{Set: map[string]string{"requirepass": "1"}}, "set"},
		{memoryParams{101}, "used-below"},
		{hitRatioParams{Above: 100}, "above"},
		{hitRatioParams{Over: -1}, "over"},
	} {
		wrong, ok := errors.AsType[*runbook.FieldError](c.p.Validate())
		if !ok || wrong.Field != c.field || wrong.Remedy == "" {
			t.Errorf("%+v: %+v", c.p, wrong)
		}
	}
}

const asWritten = `
segue: v1
name: all-of-redis
connections:
  cache: {redis: {url: "${REDIS_URL}", timeout: 5s}}
checks:
  ping:   {redis.ping: {on: cache, below: 5s}}
  memory: {redis.memory: {on: cache, used-below: 90%}}
  hits:   {redis.hit-ratio: {on: cache, above: 90%, look: 10ms}}
  ttls:   {redis.keys: {on: cache, pattern: "robot:*", expect: "keys == 22 && persistent == 1 && longest <= 3600"}}
phases:
  - name: one
    steps:
      - name: More memory
        redis.config: {on: cache, set: {maxmemory: 128mb, maxmemory-policy: allkeys-lru}}
      - name: Shorter lives
        redis.expire: {on: cache, pattern: "robot:*", ttl: 60s}
      - name: None
        approve: {roles: [owner]}
        redis.clear: {on: cache, pattern: "robot:*"}
`

func TestPartsWorkAsWritten(t *testing.T) {
	s := redistest.Start(t)
	r := s.Client(t)
	robots(t, r, 20)
	made := drivertest.Make(t, asWritten, map[string]string{"REDIS_URL": s.URL(0)}, Parts()...)
	for name, want := range map[string]evidence.Verdict{"ping": evidence.Pass, "memory": evidence.Pass, "hits": evidence.Unknown, "ttls": evidence.Pass} {
		if r := made.Checks[name].Read(t.Context()); r.Verdict != want || r.Source == "" || r.Query == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, step := range []string{"More memory", "Shorter lives", "None"} {
		if _, err := do(t.Context(), made.Actions[step]); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	if n := r.DBSize(t.Context()).Val(); n != 1 {
		t.Errorf("%d keys are left", n)
	}
}
