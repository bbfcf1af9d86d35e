package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/backup"
	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nats"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/evidence"
)

// A bus is an account with streams, and bundles of it.
type bus struct {
	t    testing.TB
	js   jetstream.JetStream
	made drivertest.Made
	dir  string
}

// newBus makes two streams. EVENTS has ten messages, the third deleted; a worker
// has got six and acknowledged four.
func newBus(t *testing.T) *bus {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	nodes := natstest.Cluster(t)
	b := &bus{t: t, js: nodes.JetStream(t), dir: t.TempDir()}
	b.create("EVENTS", "events.>", 3)
	b.create("COMMANDS", "commands.>", 1)
	for i := range 10 {
		b.publish(fmt.Sprint("events.", i), fmt.Sprint("event ", i))
	}
	b.publish("commands.a", "stop")
	events, err := b.js.Stream(t.Context(), "EVENTS")
	b.check(err)
	b.check(events.DeleteMsg(t.Context(), 3))
	worker, err := events.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "worker", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour})
	b.check(err)
	for acked := 0; acked < 4; {
		acked += b.fetch(worker, 4-acked, true)
	}
	for got := 0; got < 2; {
		got += b.fetch(worker, 2-got, false)
	}
	const step = `backup.restore: {dir: "${DIR}", key: "${KEY}", in-place: bus`
	b.made = drivertest.Make(t, `segue: v1
name: test
connections:
  bus: {nats: {url: "${BUS}"}}
checks:
  age: {backup.age: {dir: "${DIR}", key: "${KEY}", newer-than: 1h, proven: true}}
  proven: {backup.proven: {dir: "${DIR}", key: "${KEY}", of: [bus]}}
phases:
  - name: one
    require: [age, proven]
    steps:
      - {name: bundle, backup.bundle: {dir: "${DIR}", key: "${KEY}", of: [bus], fresh: 0s}}
      - {name: all, `+step+`}}
      - {name: commands, `+step+`, only: [COMMANDS]}}
      - {name: none, `+step+`, only: [NONE]}}
`, map[string]string{"BUS": nodes.URL(), "KEY": key, "DIR": b.dir}, slices.Concat(nats.Parts(), backup.Parts(nil))...)
	return b
}

func (b *bus) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bus) create(name, subject string, replicas int) {
	b.t.Helper()
	_, err := b.js.CreateStream(b.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Replicas: replicas})
	b.check(err)
}

func (b *bus) publish(subject, text string) {
	b.t.Helper()
	_, err := b.js.Publish(b.t.Context(), subject, []byte(text))
	b.check(err)
}

// fetch takes messages, and acknowledges them. A consumer that was just made may
// have no leader for a moment.
func (b *bus) fetch(c jetstream.Consumer, n int, ack bool) (got int) {
	b.t.Helper()
	msgs, err := c.Fetch(n, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		return 0
	}
	for m := range msgs.Messages() {
		if ack {
			b.check(m.DoubleAck(b.t.Context()))
		}
		got++
	}
	return got
}

// content is all that a stream holds, and how far its worker is.
func (b *bus) content(stream string) []string {
	b.t.Helper()
	s, err := b.js.Stream(b.t.Context(), stream)
	b.check(err)
	info, err := s.Info(b.t.Context())
	b.check(err)
	out := []string{fmt.Sprintf("%v %d replicas, %d messages from %d to %d", info.Config.Subjects, info.Config.Replicas, info.State.Msgs, info.State.FirstSeq, info.State.LastSeq)}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(b.t.Context(), seq)
		if err != nil {
			out = append(out, fmt.Sprint(seq, " is gone"))
			continue
		}
		out = append(out, fmt.Sprintf("%d %s %s %q", m.Sequence, m.Time.Format(time.RFC3339Nano), m.Subject, m.Data))
	}
	if c, err := s.Consumer(b.t.Context(), "worker"); err == nil {
		is, err := c.Info(b.t.Context())
		b.check(err)
		// What it had in hand is to be finished, and delivered again.
		left := is.NumPending + uint64(is.NumAckPending) //nolint:gosec // it is a count
		out = append(out, fmt.Sprintf("worker: acknowledged up to %d/%d, %d to be finished", is.AckFloor.Consumer, is.AckFloor.Stream, left))
	}
	return out
}

func (b *bus) delete(streams ...string) {
	b.t.Helper()
	for _, s := range streams {
		b.check(b.js.DeleteStream(b.t.Context(), s))
	}
}

func TestABundleOfStreamsIsProvenTamperingIsFoundAndLostStreamsComeBack(t *testing.T) {
	b := newBus(t)
	applied(t, b.made.Again("bundle"))
	bundles, err := filepath.Glob(filepath.Join(b.dir, "bundle-*Z"))
	if err != nil || len(bundles) != 1 {
		t.Fatal(bundles, err)
	}
	b.reads("age", evidence.Fail, "backup.proven has not restored its bus")
	b.tampered(bundles[0])
	b.reads("proven", evidence.Pass, "")
	b.reads("age", evidence.Pass, "")

	was := map[string][]string{"EVENTS": b.content("EVENTS"), "COMMANDS": b.content("COMMANDS")}
	if !slices.Contains(was["EVENTS"], "worker: acknowledged up to 4/5, 5 to be finished") {
		t.Fatalf("the streams are not what was meant: %q", was["EVENTS"])
	}
	b.refused("all", "the bundle has streams COMMANDS, EVENTS, and they exist")
	b.delete("EVENTS")
	b.refused("all", "the bundle has streams COMMANDS, and they exist")
	b.refused("none", "has no stream NONE")
	b.delete("COMMANDS")
	done := applied(t, b.made.Again("all"))
	for stream, want := range was {
		if diff := cmp.Diff(want, b.content(stream)); diff != "" {
			t.Errorf("stream %s (-dumped +restored):\n%s", stream, diff)
		}
	}
	// Undone, what came since stays, and what did not goes.
	b.publish("commands.b", "since")
	undone := b.made.Again("all").Undo(t.Context(), done)
	if kept, ok := undone.(*driver.Kept); !ok || !strings.Contains(kept.Cost, "COMMANDS: 1 messages that arrived since") || strings.Contains(kept.What, "EVENTS") { //nolint:errorlint // as it is returned
		t.Errorf("undo: %v", undone)
	}
	if _, err := b.js.Stream(t.Context(), "EVENTS"); err == nil {
		t.Error("EVENTS is still there")
	}
	b.delete("COMMANDS")
	applied(t, b.made.Again("commands"))
	if diff := cmp.Diff(was["COMMANDS"], b.content("COMMANDS")); diff != "" {
		t.Errorf("only one (-dumped +restored):\n%s", diff)
	}
	if _, err := b.js.Stream(t.Context(), "EVENTS"); err == nil {
		t.Error("EVENTS was restored, and only COMMANDS was asked for")
	}
}

func (b *bus) reads(check string, want evidence.Verdict, text string) {
	b.t.Helper()
	if r := b.made.Checks[check].Read(b.t.Context()); r.Verdict != want || !strings.Contains(r.Detail, text) {
		b.t.Errorf("%s: %v %s; want %v %s", check, r.Verdict, r.Detail, want, text)
	}
}

func (b *bus) refused(step, text string) {
	b.t.Helper()
	if _, err := planned(b.t, b.made.Again(step)); err == nil || !strings.Contains(err.Error(), text) {
		b.t.Errorf("%s: %v; want %q", step, err, text)
	}
}

// tampered is the negative control: each file of each stream is changed, and found.
func (b *bus) tampered(bundle string) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(bundle, "bus", "*", "*"))
	if err != nil || len(files) < 6 {
		b.t.Fatal(files, err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		b.check(err)
		other := slices.Clone(raw)
		other[len(other)/2] ^= 1
		b.check(os.WriteFile(path, other, 0o600))
		name, err := filepath.Rel(bundle, path)
		b.check(err)
		b.reads("proven", evidence.Fail, name+" is not what was written")
		b.refused("all", name+" is not what was written")
		b.check(os.WriteFile(path, raw, 0o600))
	}
}
