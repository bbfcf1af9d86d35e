package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver/postgres/postgrestest"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/journal/sqlite"
	"github.com/segue-run/segue/runner"
)

// small is a small real migration: NATS and PostgreSQL, forwards; with
// end: back it rolls its phase back by itself.
const small = `segue: v1
name: small
inputs:
  key: {type: string}
  end: {type: string, default: forward, enum: [forward, back]}
connections:
  bus: {nats: {url: "${NATS_URL}", system: "${NATS_SYSTEM_CREDS}"}}
  db:  {postgres: {url: "${DATABASE_URL}"}}
checks:
  index:  {sql: {on: db, query: "select count(*) from pg_indexes where indexname = 'i_${key}'", expect: value == 1}}
  ends:   {sql: {on: db, query: "select '${end}'", expect: value == "forward"}}
phases:
  - name: only
    on-failure: rollback
    steps:
      - name: Create the new stream
        nats.stream: {on: bus, name: "NEW_${key}", closed: true, replicas: 3, storage: file}
      - name: Create its consumer
        nats.consumer: {on: bus, stream: "NEW_${key}", name: worker, filter: "s.${key}.a", ack: explicit, deliver: all}
      - name: Add an index
        postgres.change: {on: db, do: "create index i_${key} on t_${key} (id)", undo: "drop index i_${key}", observe: "select count(*) from pg_indexes where indexname = 'i_${key}'", want: 1}
      - name: Move the subjects
        nats.move: {on: bus, subjects: ["s.${key}.>"], from: "OLD_${key}", to: "NEW_${key}", consumers: [worker], drain-within: 10s}
    verify: {within: 500ms, every: 100ms, checks: [index, ends]}
    gate: {hold: [index], for: 200ms, every: 100ms}
`

// subject is one small system of its own, named by a key.
type smallWorld struct {
	*cli
	key, end string
	url      string
	js       jetstream.JetStream
}

func newSmallWorld(t testing.TB, key, end string) *smallWorld {
	t.Helper()
	w := &smallWorld{cli: newCLI(t), key: key, end: end, url: database.Database(t), js: cluster.JetStream(t)}
	w.env = append(w.env, "DATABASE_URL="+w.url)
	postgrestest.Exec(t, w.url, "create table t_"+key+" (id int)")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	old := "OLD_" + key
	if _, err := w.js.CreateStream(ctx, jetstream.StreamConfig{Name: old, Subjects: []string{"s." + key + ".>", "keep." + key}, Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.js.CreateConsumer(ctx, old, jetstream.ConsumerConfig{Durable: "worker", FilterSubject: "s." + key + ".a", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	w.file("small.yaml", small)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = w.js.DeleteStream(ctx, old)          // the cluster ends with the tests
		_ = w.js.DeleteStream(ctx, "NEW_"+w.key) // and so does what is left of this
	})
	return w
}

func (w *smallWorld) begin(env ...string) result {
	return w.runWith(env, "run", "small.yaml", "--set", "key="+w.key, "--set", "end="+w.end, "--plain", "--no-wait")
}

// world is all that the migration touches, as other eyes see it.
func (w *smallWorld) world() map[string]string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out := map[string]string{"index": postgrestest.Value(w.t, w.url, "select count(*) from pg_indexes where indexname = 'i_"+w.key+"'")}
	for _, name := range []string{"OLD", "NEW"} {
		s, err := w.js.Stream(ctx, name+"_"+w.key)
		if err != nil {
			out[name] = err.Error()
			continue
		}
		info := s.CachedInfo()
		slices.Sort(info.Config.Subjects)
		out[name] = fmt.Sprintf("%v messages=%d", info.Config.Subjects, info.State.Msgs)
		c, err := s.Consumer(ctx, "worker")
		if err != nil {
			out[name+" worker"] = err.Error()
			continue
		}
		ci := c.CachedInfo()
		out[name+" worker"] = fmt.Sprintf("filter=%s paused=%t", ci.Config.FilterSubject, ci.Paused)
	}
	return w.named(out)
}

// named takes the key out, so that two worlds can be compared.
func (w *smallWorld) named(m map[string]string) map[string]string {
	for k, v := range m {
		m[k] = strings.ReplaceAll(v, w.key, "KEY")
	}
	return m
}

// outline is the folded journal without times, epochs and attempts.
func (w *smallWorld) outline() string {
	w.t.Helper()
	ctx := context.Background()
	r, err := sqlite.OpenReadOnly(ctx, w.state)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	id, err := resolve(ctx, r, "")
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := runner.Load(ctx, r, builtIn(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return ownIdentity.ReplaceAllString(strings.ReplaceAll(h.State.Outline(), w.key, "KEY"), "postgres:OWN")
}

// ownIdentity is the identity of a test's own database, and of a query in which
// its key stands.
var ownIdentity = regexp.MustCompile(`postgres:[^"]*`)

func TestKilledAtAnyBoundaryItEndsAsIfNothingHadHappened(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"forward", "back"} {
		t.Run(end, func(t *testing.T) {
			whole := newSmallWorld(t, "w"+end, end)
			counts := filepath.Join(t.TempDir(), "boundaries")
			got := whole.begin(countsTo + "=" + counts)
			want := map[string]int{"forward": codeDone, "back": codeRolledBack}[end]
			if got.code != want {
				t.Fatalf("uninterrupted: exit %d, want %d\n%s%s", got.code, want, got.out, got.err)
			}
			raw, err := os.ReadFile(counts)
			if err != nil {
				t.Fatal(err)
			}
			points := strings.Split(strings.TrimSpace(string(raw)), "\n")
			world, outline := whole.world(), whole.outline()
			t.Logf("%d boundaries", len(points))
			inside := 0
			var two sync.WaitGroup
			slots := make(chan struct{}, 3)
			for i, point := range points {
				within := strings.HasPrefix(point, "in ")
				if within {
					inside++
				}
				// Of those inside an apply or undo a half; of the others a part.
				if every := map[bool]int{true: 2, false: 8}[within]; !soak.Case(i, every) {
					continue
				}
				slots <- struct{}{}
				two.Go(func() {
					defer func() { <-slots }()
					t.Run(fmt.Sprintf("%d %s", i+1, point), func(t *testing.T) {
						killedAt(t, fmt.Sprintf("%s%d", end, i+1), end, i+1, want, world, outline)
					})
				})
			}
			two.Wait()
			if inside < 4 {
				t.Errorf("only %d boundaries lie inside an apply or undo: %q", inside, points)
			}
		})
	}
}

func killedAt(t *testing.T, key, end string, n, want int, world map[string]string, outline string) {
	t.Helper()
	w := newSmallWorld(t, key, end)
	if r := w.begin(fmt.Sprintf("%s=%d", dieAt, n)); r.code != -1 {
		t.Fatalf("it did not die: exit %d\n%s%s", r.code, r.out, r.err)
	}
	r := w.run("run", "--resume", "--plain", "--no-wait")
	if r.code != want {
		t.Fatalf("resumed: exit %d, want %d\n%s%s", r.code, want, r.out, r.err)
	}
	if d := cmp.Diff(world, w.world()); d != "" {
		t.Errorf("the world differs (-uninterrupted +killed):\n%s", d)
	}
	if d := cmp.Diff(outline, w.outline()); d != "" {
		t.Errorf("the folded journal differs (-uninterrupted +killed):\n%s", d)
	}
}
