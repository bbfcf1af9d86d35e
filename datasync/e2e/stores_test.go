package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/driver/redis/redistest"
)

const throughStores = `
segue: v1
name: sync
connections:
  db: {postgres: {url: "${DB}"}}
  cache: {redis: {url: "${REDIS}"}}
  bus: {nats: {url: "${NATS}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once: {%s, key: [id], version: v, bears: 1, aside: "${ASIDE}"}
`

// Rows go to Redis, from there to a bucket of NATS, and back into a table: each
// time what is newer there stays.
func TestRecordsGoThroughRedisAndABucketAndComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	db, cache, bus := server.Database(t), redistest.Start(t), natstest.Cluster(t)
	const n = 1200
	postgrestest.Exec(t, db, fmt.Sprintf(`create table a (id text primary key, n numeric not null, at timestamptz, more jsonb, v bigint not null); create table b (like a including all);
		insert into a select 'r' || x, x * 12345678901234567890.123, now(), '{"x": [1, "two"]}', 9007199254740993 + x from generate_series(1, %d) x`, n))
	kv, err := bus.JetStream(t).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "robots"})
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DB": db, "REDIS": cache.URL(0), "NATS": bus.URL(), "ASIDE": t.TempDir() + "/aside.jsonl"}
	to := func(from string) string { return counts(apply(t, fmt.Sprintf(throughStores, from), env)) }
	all := fmt.Sprintf("read %d, changed %d, unchanged 0, bad 0, deleted 0", n, n)

	const toCache = `from: db, read: {table: a}, to: cache, write: {key: "robot:{id}", ttl: 1h}`
	if got := to(toCache); got != all {
		t.Errorf("to Redis: %s, want %s", got, all)
	}
	client := cache.Client(t)
	if err := client.Set(t.Context(), "robot:r7", `{"id": "r7", "n": 1, "v": 9907199254740993}`, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := to(toCache), fmt.Sprintf("read %d, changed 0, unchanged %d, bad 0, deleted 0", n, n); got != want {
		t.Errorf("to Redis again: %s, want %s", got, want)
	}
	if err := client.HSet(t.Context(), "robot:odd", "id", "odd").Err(); err != nil {
		t.Fatal(err)
	}
	const toBucket = `from: cache, read: {pattern: "robot:*"}, to: bus, write: {bucket: robots, key: "robot.{id}"}`
	if got, want := to(toBucket), fmt.Sprintf("read %d, changed %d, unchanged 0, bad 1, deleted 0", n+1, n); got != want {
		t.Errorf("to the bucket: %s, want %s", got, want)
	}
	if got, want := to(toBucket), fmt.Sprintf("read %d, changed 0, unchanged %d, bad 1, deleted 0", n+1, n); got != want {
		t.Errorf("to the bucket again: %s, want %s", got, want)
	}
	entry, err := kv.Get(t.Context(), "robot.r7")
	if err != nil || !strings.Contains(string(entry.Value()), "9907199254740993") {
		t.Fatalf("the bucket has %s (%v)", entry.Value(), err)
	}
	if got := to(`from: bus, read: {bucket: robots}, to: db, write: {table: b}`); got != all {
		t.Errorf("back: %s, want %s", got, all)
	}
	if got := postgrestest.Value(t, db, "select string_agg(id, ' ') from (select * from a except select * from b) d"); got != "r7" {
		t.Errorf("others than before are %s, want r7", got)
	}
}

// Several syncs write the same keys at the same time, each with versions of its
// own: the newest of each key is there in the end.
func TestWhoWritesAtTheSameTimeNeverLosesTheNewest(t *testing.T) {
	t.Parallel()
	cache := redistest.Start(t)
	const robots, syncs = 50, 4
	var all sync.WaitGroup
	for s := range syncs {
		list := fleet(robots)
		for i := range list { // which sync has the newest differs from robot to robot
			list[i]["v"] = 1 + (i+s)%syncs
			list[i]["by"] = s
		}
		from := newRobots(t, list...)
		all.Go(func() {
			apply(t, `
segue: v1
name: sync
connections:
  from: {http: {url: "${FROM}"}}
  cache: {redis: {url: "${REDIS}"}}
phases:
  - name: one
    steps:
      - name: sync
        sync.once: {from: from, read: {path: /robots, items: robots}, to: cache, write: {key: "robot:{id}"}, key: [id], version: v, batch-size: 5}
`, map[string]string{"FROM": from.URL, "REDIS": cache.URL(0)})
		})
	}
	all.Wait()
	client := cache.Client(t)
	for i, r := range fleet(robots) {
		text, err := client.Get(t.Context(), "robot:"+r["id"].(string)).Result()
		var got struct{ V, By int }
		if err != nil || json.Unmarshal([]byte(text), &got) != nil || got.V != syncs || (i+got.By)%syncs != syncs-1 {
			t.Errorf("%s is %s (%v)", r["id"], text, err)
		}
	}
}
