package nats

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// There, back and there again under load: each time the stream that owns the
// subjects has everything that was ever published, once and in order.
func TestHandoverForwardBackForward(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	p := newHanding(b).alone()
	l := newLoad(t, shared, p.vendor, 600, 100)
	l.flows(100)
	for round := range 2 {
		p.cursor = nil
		a := p.action()
		e := p.effect(a)
		if _, err := a.Apply(t.Context(), e); err != nil {
			t.Fatalf("round %d, there: %v", round, err)
		}
		l.flows(100)
		if round == 1 {
			break
		}
		if err := p.action().Undo(t.Context(), p.again(e)); err != nil {
			t.Fatalf("round %d, back: %v", round, err)
		}
		v := p.voyage()
		t.Logf("back: ownerless %.1f ms, ledger %s", v.Back.Ownerless, compact(v.Back.Ledger.Condensed(1)))
		if v.Back.Ledger.Unequal() != "" || v.Back.Ledger.Uncounted != "" {
			t.Fatalf("the ledger of the way back: %s", compact(v.Back.Ledger))
		}
		l.flows(100)
	}
	l.stop()
	got := p.clean(l, p.to)
	t.Logf("%+v", got)
	// The standby gets what the new stream got since.
	if err := await(t.Context(), func() (bool, error) { return l.compare(l.read(p.c, p.from)).Lost == 0, nil }); err != nil {
		t.Fatalf("the standby: %+v: %v", l.compare(l.read(p.c, p.from)), err)
	}
	p.clean(l, p.from)
}

// worked is what workers have processed, by payload.
type worked struct {
	mu    sync.Mutex
	times map[string]int
}

func (w *worked) did(payload []byte) {
	n, _, _ := strings.Cut(string(payload), " ")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.times[n]++
}

// twice counts what was processed more than once, never what was published and
// was not processed.
func (w *worked) tally(sent int) (twice, never int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range sent {
		switch k := w.times[strconv.Itoa(n)]; {
		case k == 0:
			never++
		case k > 1:
			twice++
		}
	}
	return twice, never
}

// worker takes from a durable, one message at a time, until stopped. It acks
// after taking its time.
func (p *handing) worker(ctx context.Context, w *worked, stream string, takes time.Duration) {
	for ctx.Err() == nil {
		soon, stop := context.WithTimeout(ctx, time.Second)
		c, err := p.js.Consumer(soon, stream, "normalize-oura")
		stop()
		if err != nil {
			_ = sleep(ctx, 20*time.Millisecond)
			continue
		}
		msgs, err := c.Fetch(5, jetstream.FetchMaxWait(200*time.Millisecond))
		if err != nil {
			continue
		}
		for m := range msgs.Messages() {
			_ = sleep(ctx, takes)
			w.did(m.Data())
			_ = m.DoubleAck(context.WithoutCancel(ctx))
		}
	}
}

// Two workers on the old durable: one is dead and has taken messages without
// acknowledging them, one is slow and has some before it at the cut. All is processed, what workers acknowledge
// in time exactly once, there and back.
func TestHandoverMovesConsumersWithTheirPositions(t *testing.T) {
	b := newBench(t)
	p := newHanding(b)
	cfg := jetstream.ConsumerConfig{Durable: "normalize-oura", FilterSubject: p.oura(), AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxDeliver: 20}
	if _, err := p.js.UpdateConsumer(t.Context(), p.from, cfg); err != nil {
		t.Fatal(err)
	}
	var sent int
	publish := func(n int) {
		t.Helper()
		for range n {
			if _, err := b.js.Publish(t.Context(), p.oura(), []byte(strconv.Itoa(sent))); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	publish(30)
	old, err := p.js.Consumer(t.Context(), p.from, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	dead, err := old.Fetch(5, jetstream.FetchMaxWait(time.Second)) // and never acknowledges
	if err != nil {
		t.Fatal(err)
	}
	var held []jetstream.Msg
	for m := range dead.Messages() {
		held = append(held, m)
	}
	w := &worked{times: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	for stream, takes := range map[string]time.Duration{p.from: 40 * time.Millisecond, p.to: 5 * time.Millisecond} {
		done.Go(func() { p.worker(ctx, w, stream, takes) })
	}
	defer func() { cancel(); done.Wait() }()

	a := p.action()
	e := p.effect(a)
	save := e.Save
	e.Save = func(ctx context.Context, c any) error {
		if v := c.(voyage); len(v.Drained) == 0 { // it dies in the gap, however long the way there is
			for _, m := range held {
				_ = m.InProgress()
			}
		}
		if v := c.(voyage); v.Forward.At == atCutting { // the slow one has to finish them on the old stream
			publish(20)
		}
		if v := c.(voyage); v.Forward.At == atAttached { // the application makes its consumer as it always does
			if _, err := p.js.CreateOrUpdateConsumer(ctx, p.to, cfg); err != nil {
				t.Errorf("the application's own CreateOrUpdate: %v", err)
			}
			publish(10)
		}
		return save(ctx, c)
	}
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	after, err := a.finish(t.Context(), e, new(p.voyage()))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("drained: %s", after[a.toID()]["drained"])
	if d := p.voyage().Drained["normalize-oura"]; d.Unacknowledged < 5 || d.Repeated < 5 || d.Repeated > d.Unacknowledged {
		t.Errorf("the dead worker had 5 messages, and the report says %+v", d)
	}
	publish(30)
	processed := func() {
		t.Helper()
		if err := await(t.Context(), func() (bool, error) { _, never := w.tally(sent); return never == 0, nil }); err != nil {
			t.Fatal(err)
		}
		if twice, never := w.tally(sent); twice+never > 0 {
			t.Fatalf("of %d messages %d were processed twice and %d never", sent, twice, never)
		}
	}
	processed()
	if err := p.action().Undo(t.Context(), p.again(e)); err != nil {
		t.Fatal(err)
	}
	told, err := a.Tell(p.cursor)
	if err != nil || !strings.Contains(string(told[a.fromID()]["ledger"]), `"subjects"`) {
		t.Errorf("of the way back it tells %v, error %v", told, err)
	}
	publish(20)
	processed()
	t.Logf("%d messages, each processed once, there and back", sent)
	if now, err := p.c.consumer(t.Context(), p.to, "normalize-oura"); err != nil || now != nil {
		t.Fatalf("the new durable is %+v after the undo: %v", now, err)
	}
}

// A worker on the new stream that has messages and does not acknowledge them:
// the undo does not wait for it, and they are delivered again on the old one.
func TestUndoOfAHandoverDeliversAgainWhatWasNotAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it a test of patience")
	}
	b := newBench(t)
	p := newHanding(b)
	a := p.action()
	e := p.effect(a)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 10)
	next, err := p.js.Consumer(t.Context(), p.to, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	b.ack(next, 4)
	if msgs, err := next.Fetch(3, jetstream.FetchMaxWait(2*time.Second)); err != nil { // and never acknowledges
		t.Fatal(err)
	} else {
		for range msgs.Messages() {
		}
	}
	if err := p.action().Undo(t.Context(), p.again(e)); err != nil {
		t.Fatal(err)
	}
	old, err := p.js.Consumer(t.Context(), p.from, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	msgs, err := old.Fetch(10, jetstream.FetchMaxWait(2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for m := range msgs.Messages() {
		got = append(got, string(m.Data()))
		_ = m.Ack()
	}
	if s := strings.Join(got, " "); s != "4 5 6 7 8 9" {
		t.Fatalf("delivered on the old stream: %s", s)
	}
}

// The old stream's own limits let go of what it had, and of the standby's first
// copies, before it is gone back to: its ledger counts what can be there.
func TestHandoverIsUndoneAfterTheOldStreamHasLetGo(t *testing.T) {
	b := newBench(t)
	p := newHanding(b).alone()
	b.publish(p.oura(), 5)
	a := p.action()
	e := p.effect(a)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 4)
	holds := func(n uint64) {
		t.Helper()
		if err := await(t.Context(), func() (bool, error) { return b.info(p.from).State.Messages == n, nil }); err != nil {
			t.Fatalf("the old stream has %d messages, not %d: %v", b.info(p.from).State.Messages, n, err)
		}
	}
	holds(9)
	old, err := b.js.Stream(t.Context(), p.from)
	if err != nil {
		t.Fatal(err)
	}
	cfg := old.CachedInfo().Config
	cfg.MaxMsgs = 3
	if _, err := b.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	holds(3)
	if err := a.Undo(t.Context(), p.again(e)); err != nil {
		t.Fatal(err)
	}
	l := p.voyage().Back.Ledger
	if l == nil || l.Unequal() != "" || l.Uncounted != "" || l.Row(p.oura()).Old != 3 {
		t.Fatalf("ledger %+v", l)
	}
	b.publish(p.oura(), 1)
	holds(3)
}

// What was published before the handover and again after it is in both streams;
// the old one drops the copy, as it knows the Nats-Msg-Id.
func TestUndoOfAHandoverCountsRepeats(t *testing.T) {
	b := newBench(t)
	p := newHanding(b).alone()
	b.publish(p.oura(), 2)
	send := func(stream string) {
		t.Helper()
		ack, err := b.js.Publish(t.Context(), p.oura(), []byte("again"), jetstream.WithMsgID("twice"))
		if err != nil || ack.Stream != stream || ack.Duplicate {
			t.Fatalf("published: %+v, %v", ack, err)
		}
	}
	send(p.from)
	a := p.action()
	e := p.effect(a)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 1)
	send(p.to)
	if err := a.Undo(t.Context(), p.again(e)); err != nil {
		t.Fatal(err)
	}
	l := p.voyage().Back.Ledger
	if l == nil || l.Unequal() != "" || l.Uncounted != "" || l.Known != 1 || b.info(p.from).State.Messages != 4 {
		t.Fatalf("ledger %+v, %d messages", l, b.info(p.from).State.Messages)
	}
}

// The standby ends with promote, and not before its new stream owns the subjects.
func TestPromoteEndsTheStandby(t *testing.T) {
	b := newBench(t)
	p := newHanding(b)
	a := p.action()
	if _, err := a.Apply(t.Context(), p.effect(a)); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 3)
	if err := await(t.Context(), func() (bool, error) { return b.info(p.from).State.Messages == 3, nil }); err != nil {
		t.Fatalf("the standby does not copy: %v", err)
	}
	// Its paused durable has them to deliver, and nothing to do.
	old := runbook.Params{"on": "bus", "stream": p.from, "consumer": "normalize-oura"}
	r := b.reads(b.check("nats.drained", old), "drained, with 3 copies", func(r evidence.Reading) bool {
		return r.Verdict == evidence.Pass && strings.Contains(r.Value, "3 copies")
	})
	t.Log(r.Value)
	old["below"] = int64(1)
	wantVerdict(t, b.check("nats.lag", old).Read(t.Context()), evidence.Pass)

	end := b.action("nats.promote", p.moves)
	e := p.effect(end)
	if _, err := end.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 3)
	if info := b.info(p.from); info.State.Messages != 3 || len(info.Sources) > 0 {
		t.Fatalf("the old stream has %d messages and sources %v", info.State.Messages, info.Sources)
	}
	if done, info, err := p.c.finished(t.Context(), p.from, "normalize-oura", nil); err != nil || !done || info.Pending > 0 {
		t.Fatalf("the old durable has %v to do: %v", info, err)
	}
	// Undone, it copies on from where it stopped.
	e = p.again(e)
	for range 2 {
		if err := end.Undo(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if info := b.info(p.from); info.State.Messages != 6 || len(info.Sources) != 1 {
			t.Fatalf("undone, the old stream has %d messages and sources %v", info.State.Messages, info.Sources)
		}
	}
	// What the new stream has let go of meanwhile is told.
	end = b.action("nats.promote", p.moves)
	e = p.effect(end)
	if _, err := end.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 3)
	stream, err := b.js.Stream(t.Context(), p.to)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeKeep(1)); err != nil {
		t.Fatal(err)
	}
	e = p.again(e)
	var kept *driver.Kept
	if err := end.Undo(t.Context(), e); !errors.As(err, &kept) || !strings.Contains(kept.Cost, "up to 2 messages") {
		t.Fatalf("undone with messages gone: %v, %+v", err, kept)
	}
	if info := b.info(p.from); info.State.Messages != 7 {
		t.Fatalf("the old stream has %d messages", info.State.Messages)
	}

	// Once the old stream is deleted nothing is said of its consumers: that they
	// went with it is nobody's drift.
	if err := b.js.DeleteStream(t.Context(), p.from); err != nil {
		t.Fatal(err)
	}
	now, err := a.Observe(t.Context())
	if _, told := now[p.c.consumerID(p.from, "normalize-oura")]; told || err != nil {
		t.Fatalf("after the deletion: %v, %v", now, err)
	}

	notYet := newHanding(b)
	early := b.action("nats.promote", notYet.moves)
	e = b.effect(early)
	if _, err := early.Apply(t.Context(), e); err == nil {
		t.Fatal("promoted a stream that owns nothing")
	}
}
