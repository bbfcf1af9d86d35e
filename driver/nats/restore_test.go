package nats

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/runbook"
)

// lost is a stream that was backed up and deleted.
type lost struct {
	*bench
	name, sub, from string
	restores        runbook.Params
}

// newLost publishes ten messages, of which a worker acknowledged four and has
// two.
func newLost(b *bench) *lost {
	b.t.Helper()
	l := &lost{bench: b, name: unique("LOST"), sub: space("lost"), from: b.t.TempDir()}
	b.stream(l.name, l.sub+".>")
	c := b.durable(l.name, "worker", l.sub+".x")
	b.publish(l.sub+".x", 10)
	b.ack(c, 4)
	msgs, err := c.Fetch(2)
	if err != nil {
		b.t.Fatal(err)
	}
	for range msgs.Messages() { //nolint:revive // they stay unacknowledged
	}
	l.restores = runbook.Params{"on": "bus", "stream": l.name, "from": l.from}
	l.backUp()
	l.drop()
	return l
}

func (l *lost) backUp() {
	l.t.Helper()
	l.apply(l.bench.action("nats.backup", runbook.Params{"on": "bus", "stream": l.name, "to": l.from, "fresh": time.Duration(0)}))
}

func (l *lost) drop() {
	l.t.Helper()
	if err := l.js.DeleteStream(l.t.Context(), l.name); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lost) action() driver.Action { return l.bench.action("nats.restore", l.restores) }

// with changes a parameter.
func (l *lost) with(p runbook.Params) driver.Action {
	q := runbook.Params{}
	for _, m := range []runbook.Params{l.restores, p} {
		for k, v := range m {
			q[k] = v
		}
	}
	return l.bench.action("nats.restore", q)
}

// Tests that restore on the shared cluster are not parallel: while a stream is
// being restored, everybody who lists the streams waits for it.
func TestRestoreWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			l := newLost(b.in(t, 1))
			return drivertest.World{
				Action: l.action,
				Disturb: func(ctx context.Context) error {
					return l.edit(ctx, l.name, func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, l.sub) })
				},
			}
		},
	})
}

// content is all of a stream's messages, with their sequences and times.
func (b *bench) content(stream string) []message {
	b.t.Helper()
	var out []message
	info := b.info(stream)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		m, err := b.c.message(b.t.Context(), stream, map[string]any{"seq": seq})
		if err != nil {
			b.t.Fatal(err)
		}
		if m != nil {
			out = append(out, *m)
		}
	}
	return out
}

// Taken under a publisher and workers, on three replicas, with messages
// deleted at both ends and between.
func TestABackupTakenUnderLoadRestoresEveryMessageWithItsSequence(t *testing.T) {
	b := newBench(t)
	l := &lost{bench: b, name: unique("LOADED"), sub: space("loaded"), from: t.TempDir()}
	l.restores = runbook.Params{"on": "bus", "stream": l.name, "from": l.from}
	b.stream(l.name, l.sub+".>")
	p := &topology{bench: b, from: l.name, to: l.name}
	b.durable(l.name, "normalize-oura", l.sub+".x")
	pub := b.publisher(l.sub+".x", l.sub)
	stopWorkers := p.workers()
	if err := await(t.Context(), func() (bool, error) { return b.info(l.name).State.LastSeq > 200, nil }); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{1, 2, 100} {
		if err := b.c.deleteMessage(t.Context(), read, l.name, seq); err != nil {
			t.Fatal(err)
		}
	}
	l.backUp()
	m := b.saved(l.from, l.name)
	pub.stop()
	stopWorkers()
	var before []message
	for _, one := range b.content(l.name) {
		if one.Seq <= m.LastSeq {
			before = append(before, one)
		}
	}
	was := b.info(l.name)
	l.drop()
	b.apply(l.action())
	if diff := cmp.Diff(before, b.content(l.name)); diff != "" || len(before) < 100 {
		t.Fatalf("%d messages before; %s", len(before), diff)
	}
	now := b.info(l.name)
	if now.State.LastSeq != m.LastSeq || uint64(len(before)) != m.Messages {
		t.Fatalf("state %+v, manifest %+v", now.State, m.manifest)
	}
	if said := now.metadata(); said["team"] != "vendor" || said[restoredKey] != m.name() {
		t.Fatalf("metadata %v", said)
	}
	delete(was.Config, "metadata")
	delete(now.Config, "metadata")
	if diff := cmp.Diff(was.Config, now.Config); diff != "" {
		t.Fatal(diff)
	}
	k, err := b.c.consumer(t.Context(), l.name, "normalize-oura")
	if err != nil || k == nil {
		t.Fatalf("consumer %+v, error %v", k, err)
	}
	at := m.Consumers[0]
	if k.AckFloor != at.AckFloor || k.Delivered != at.Delivered || k.Pending != m.LastSeq-at.Delivered.Stream {
		t.Fatalf("consumer %+v, in the backup %+v, last %d", k, at, m.LastSeq)
	}
	if have, err := b.c.have(t.Context(), l.name, 3, m.LastSeq); have != 3 || err != nil {
		t.Fatalf("%d nodes have it, error %v", have, err)
	}
	b.publish(l.sub+".x", 1)
	if got := b.info(l.name).State.LastSeq; got != m.LastSeq+1 {
		t.Fatalf("the next message is %d after %d", got, m.LastSeq)
	}
}

func TestRestoredConsumerGoesOnWhereItWas(t *testing.T) {
	l := newLost(newBench(t).in(t, 1))
	l.apply(l.action())
	k, err := l.c.consumer(t.Context(), l.name, "worker")
	if err != nil || k == nil || k.AckFloor.Stream != 4 || k.Pending+k.AckPending != 6 {
		t.Fatalf("consumer %+v, error %v", k, err)
	}
	c, err := l.js.Consumer(t.Context(), l.name, "worker")
	if err != nil {
		t.Fatal(err)
	}
	l.ack(c, 6)
}

// The server refuses consumers with replicas of their own on the one node
// where a stream is restored first; and an archive brings all it has.
func TestRestoreBringsConsumersWithReplicasOfTheirOwnOrNone(t *testing.T) {
	b := newBench(t)
	l := &lost{bench: b, name: unique("LOST"), sub: space("lost"), from: t.TempDir()}
	l.restores = runbook.Params{"on": "bus", "stream": l.name, "from": l.from}
	b.stream(l.name, l.sub+".>")
	c, err := b.js.CreateConsumer(t.Context(), l.name, jetstream.ConsumerConfig{Durable: "worker", Replicas: 3, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	b.publish(l.sub+".x", 300)
	b.ack(c, 5)
	l.backUp()
	l.drop()
	b.apply(l.action())
	k, err := b.c.consumer(t.Context(), l.name, "worker")
	if err != nil || k == nil || number(k.Config["num_replicas"]) != 3 || k.AckFloor.Stream != 5 || k.Pending != 295 {
		t.Fatalf("consumer %+v, error %v", k, err)
	}
	l.drop()
	b.apply(l.with(runbook.Params{"consumers": false, "replicas": int64(1)}))
	info := b.info(l.name)
	if info.State.Messages != 300 || number(info.Config["num_replicas"]) != 1 {
		t.Fatalf("stream %+v", info)
	}
	if all, _, err := b.c.consumers(t.Context(), l.name); err != nil || len(all) > 0 {
		t.Fatalf("consumers %+v, error %v", all, err)
	}
}

func TestUndoOfARestoreKeepsWhatArrivedSince(t *testing.T) {
	l := newLost(newBench(t))
	a := l.action()
	e := l.effect(a)
	e.Save = func(_ context.Context, c any) error { e.Cursor = compact(c); return nil }
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	l.publish(l.sub+".x", 2)
	for range 2 {
		kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
		if !ok || !strings.Contains(kept.Cost, "2 messages") || !strings.Contains(kept.Hint, "nats stream rm "+l.name) {
			t.Fatalf("kept %+v", kept)
		}
		if info := l.info(l.name); info == nil || info.State.Messages != 12 || len(info.subjects()) != 0 {
			t.Fatalf("stream %+v", info)
		}
	}
}

// A process that dies while it sends leaves a name that is taken and has no
// stream; the next one takes it away, or goes on.
func TestARestoreThatDiedWhileItSentIsUndoneAndFinished(t *testing.T) {
	t.Parallel()
	n := natstest.Cluster(t) // such a name holds up everybody who lists streams
	l := newLost(&bench{t, connect(t, n), n.JetStream(t), 3})
	a := l.action().(*restore)
	e := l.effect(a)
	m := l.saved(l.from, l.name)
	e.Cursor = compact(restoreCursor{m.name(), m.LastSeq, m.Newest})

	l.die(m, a)
	now, err := a.Observe(t.Context())
	if err != nil || word(now[l.c.streamID(l.name)]["restoring"]) != reserved {
		t.Fatalf("it is not seen: %s, error %v", now, err)
	}
	if _, _, err := l.plan(a); err == nil || !strings.Contains(err.Error(), "10130") {
		t.Fatalf("somebody else's plan: %v", err)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, taken, err := a.look(t.Context()); taken || err != nil {
		t.Fatalf("the name is taken still, error %v", err)
	}

	l.die(m, a)
	if _, err := a.Resume(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := len(l.content(l.name)); got != 10 {
		t.Fatalf("%d messages", got)
	}
}

// die begins a restore and sends half of it.
func (l *lost) die(m *found, a *restore) {
	l.t.Helper()
	s, err := readSaved(m.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	var reply struct {
		To string `json:"deliver_subject"`
	}
	req := map[string]any{"config": a.halfway(s.Config, *m), "state": map[string]any{"messages": m.Messages, "last_seq": m.LastSeq}}
	if err := l.c.ask(l.t.Context(), "$JS.API.STREAM.RESTORE."+l.name, req, &reply); err != nil {
		l.t.Fatal(err)
	}
	path, err := jsm.SnapshotDataPath(m.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := await(l.t.Context(), func() (bool, error) { // this node has heard of who takes it
		_, err := l.c.nc.RequestWithContext(l.t.Context(), reply.To, data[:len(data)/2])
		if errors.Is(err, nats.ErrNoResponders) {
			return false, nil
		}
		return true, err
	}); err != nil {
		l.t.Fatal(err)
	}
}
