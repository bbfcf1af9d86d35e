package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/segue-run/segue/examples/lekiwi/api"
	"github.com/segue-run/segue/examples/lekiwi/robot"
)

func TestStoresThatAreAway(t *testing.T) {
	w := newWorld(t)
	cfg := w.config(t, true)
	cfg.FlushTime = 2 * time.Second
	base, stop := w.launch(t, cfg)
	version := func() string {
		var r robot.Robot
		get(t, base+api.PathV2Robots+"/a", &r)
		return r.Version
	}
	send := func(version string) int {
		return post(t, base+api.PathEvents, api.Events{Events: []robot.Event{heartbeat("a", "lekiwi", "running", version)}}, nil)
	}
	cache := func() string {
		var h api.Health
		get(t, base+"/health", &h)
		return fmt.Sprint(h.Detail["cache"])
	}
	opt, err := redis.ParseURL(w.stores.RedisURL)
	fatal(t, err)
	client := redis.NewClient(opt)
	defer client.Close()

	send("1")
	t.Run("a robot is in Redis as JSON, for an hour", func(t *testing.T) {
		ttl, err := client.TTL(t.Context(), "robot:a").Result()
		fatal(t, err)
		text, err := client.Get(t.Context(), "robot:a").Result()
		fatal(t, err)
		if ttl.Seconds() < 3590 || ttl.Seconds() > 3600 || len(text) < 50 || text[0] != '{' {
			t.Errorf("%s for %s", text, ttl)
		}
	})
	t.Run("reads go to Redis", func(t *testing.T) {
		fatal(t, client.Set(t.Context(), "robot:planted", `{"id":"planted","version":"of Redis","seq":1}`, 0).Err())
		var r robot.Robot
		if get(t, base+api.PathV2Robots+"/planted", &r); r.Version != "of Redis" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("Redis hangs, and what it remembers then is not believed", func(t *testing.T) {
		fatal(t, w.stores.FreezeRedis(true))
		if code := send("2"); code != 200 || version() != "2" || cache() != "away" {
			t.Errorf("while it hangs: %d, version %s, cache %s", code, version(), cache())
		}
		fatal(t, w.stores.FreezeRedis(false))
		await(t, "the cache", func() bool { return cache() == "trusted" })
		if version() != "2" {
			t.Errorf("an old version was read: %s", version())
		}
		if n, err := client.Exists(t.Context(), "robot:planted").Result(); err != nil || n != 0 {
			t.Errorf("what was there before is there still: %d, %v", n, err)
		}
	})
	t.Run("Redis is gone and comes back empty", func(t *testing.T) {
		w.stores.StopRedis()
		if code := send("3"); code != 200 || version() != "3" {
			t.Errorf("without Redis: %d, version %s", code, version())
		}
		fatal(t, w.stores.StartRedis())
		await(t, "the cache", func() bool { return cache() == "trusted" })
		if version() != "3" {
			t.Errorf("version %s", version())
		}
	})
	t.Run("PostgreSQL is gone: 503, and no restart when it is back", func(t *testing.T) {
		w.stores.StopPostgres()
		if code := send("4"); code != 503 {
			t.Errorf("a write: %d", code)
		}
		for _, path := range []string{api.PathRobotCount, api.PathV2Robots, api.PathDeployments, api.PathSyncStatus, "/health"} {
			if code := get(t, base+path, nil); code != 503 {
				t.Errorf("%s: %d", path, code)
			}
		}
		fatal(t, w.stores.StartPostgres())
		await(t, "a write", func() bool { return send("4") == 200 })
		if version() != "4" {
			t.Errorf("version %s", version())
		}
	})
	t.Run("with persistent_state off it answers at once, keeps what PostgreSQL cannot take yet, and loses nothing at its end", func(t *testing.T) {
		setFlag(t, cfg.MigrationConfig, false)
		var h api.Health
		await(t, "the flag", func() bool { get(t, base+"/health", &h); return h.Detail["writes"] == "behind" })
		w.stores.StopPostgres()
		var done api.Appended
		const n = 1000
		for i := range n / 10 {
			var batch []robot.Event
			for j := range 10 {
				batch = append(batch, heartbeat(fmt.Sprintf("behind-%d", i*10+j), "lekiwi", "running", "1"))
			}
			if code := post(t, base+api.PathEvents, api.Events{Events: batch}, &done); code != 200 || done.Durable {
				t.Fatalf("%d %+v", code, done)
			}
		}
		fatal(t, w.stores.StartPostgres())
		fatal(t, stop())
		if got := robots(t, w.stores.DatabaseURL, "behind-%"); got != n {
			t.Errorf("%d robots of %d", got, n)
		}
	})
	t.Run("what it cannot write until its end it says", func(t *testing.T) {
		base, stop = w.launch(t, cfg)
		w.stores.StopPostgres()
		post(t, base+api.PathEvents, api.Events{Events: []robot.Event{heartbeat("lost", "lekiwi", "running", "1")}}, nil)
		err := stop()
		if err == nil || err.Error() != "1 events were accepted and are lost: the database was away until the end" {
			t.Errorf("error %v", err)
		}
	})
}

func robots(t *testing.T, url, like string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	fatal(t, err)
	defer conn.Close(context.Background())
	fatal(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM robots WHERE id LIKE $1", like).Scan(&n))
	return n
}
