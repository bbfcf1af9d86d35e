package nats

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

func TestConsumerCreateWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			name, sub := unique("CONS"), space("cons")
			b.in(t, 1).stream(name, sub+".>")
			p := runbook.Params{
				"on": "bus", "stream": name, "name": "worker", "filter": sub + ".x", "paused": true,
				"ack": "explicit", "ack-wait": 15 * time.Second, "max-deliver": int64(5), "deliver": "all", "replay": "instant",
			}
			return drivertest.World{
				Action:  func() driver.Action { return b.action("nats.consumer", p) },
				Disturb: func(ctx context.Context) error { return b.c.resume(ctx, read, name, "worker") },
			}
		},
	})
}

func TestConsumerUpdateWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			name, sub := unique("CONS"), space("cons")
			b.in(t, 1).stream(name, sub+".>")
			b.durable(name, "worker", sub+".x")
			p := runbook.Params{"on": "bus", "stream": name, "name": "worker", "filters": []any{sub + ".x", sub + ".y"}, "ack-wait": time.Minute, "paused": true}
			return drivertest.World{
				Action: func() driver.Action { return b.action("nats.consumer", p) },
				Disturb: func(ctx context.Context) error {
					_, err := b.js.UpdateConsumer(ctx, name, jetstream.ConsumerConfig{Durable: "worker", FilterSubject: sub + ".z", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxDeliver: 5})
					return err
				},
			}
		},
	})
}

// An application makes sure of its durable at each start, and does not know
// of the pause.
func TestConsumerStaysPausedWhenTheApplicationCreatesIt(t *testing.T) {
	b := newBench(t)
	name, sub := unique("CONS"), space("cons")
	b.stream(name, sub+".>")
	p := runbook.Params{"on": "bus", "stream": name, "name": "worker", "filter": sub + ".x", "ack-wait": 15 * time.Second, "max-deliver": int64(5), "paused": true}
	a := b.action("nats.consumer", p)
	b.apply(a)
	b.durable(name, "worker", sub+".x")
	after, err := a.Observe(t.Context())
	if err != nil || !flag(after[b.c.consumerID(name, "worker")]["paused"]) {
		t.Fatalf("state %s, error %v", after, err)
	}
}

// A worker that waits on a paused consumer gets its messages at once when the
// consumer is resumed, and not with its next pull.
func TestResumeWakesAWorkerThatWaits(t *testing.T) {
	b := newBench(t)
	name, sub := unique("CONS"), space("cons")
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	if err := b.c.pause(t.Context(), read, name, "worker", forever()); err != nil {
		t.Fatal(err)
	}
	b.publish(sub+".x", 1)
	msgs, err := c.Fetch(1, jetstream.FetchMaxWait(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), func() (bool, error) { // the pull has arrived
		info, err := c.Info(t.Context())
		return err == nil && info.NumWaiting == 1, err
	}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.c.resume(t.Context(), read, name, "worker"); err != nil {
		t.Fatal(err)
	}
	<-msgs.Messages()
	if took := time.Since(start); took > 5*time.Second {
		t.Fatalf("the message came after %s", took)
	}
}

func TestUndoOfACreateDeletesAConsumerOnlyOnceItIsDrained(t *testing.T) {
	b := newBench(t)
	name, sub := unique("CONS"), space("cons")
	b.stream(name, sub+".>")
	a := b.action("nats.consumer", runbook.Params{"on": "bus", "stream": name, "name": "worker", "filter": sub + ".x"})
	e := b.apply(a)
	b.publish(sub+".x", 2)
	kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.What, "worker") { // also when its leader has not heard of them yet
		t.Fatalf("kept %+v", kept)
	}
	c, err := b.js.Consumer(t.Context(), name, "worker")
	if err != nil {
		t.Fatal(err)
	}
	b.ack(c, 2)
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if info, err := b.c.consumer(t.Context(), name, "worker"); err != nil || info != nil {
		t.Fatalf("consumer %+v, error %v", info, err)
	}
	if b.info(name).State.Messages != 2 {
		t.Fatal("messages were deleted")
	}
}

// The second attempt of a phase: the stream has what it got in the first.
func TestAPausedConsumerOnAStreamWithoutItsSubjectsDeliversNothing(t *testing.T) {
	b := newBench(t)
	name, sub := unique("AGAIN"), space("again")
	b.stream(name, sub+".>")
	b.publish(sub+".x", 2)
	if err := b.edit(t.Context(), name, func(cfg *jetstream.StreamConfig) { cfg.Subjects = []string{sub + "-closed"} }); err != nil {
		t.Fatal(err)
	}
	p := runbook.Params{"on": "bus", "stream": name, "name": "worker", "filter": sub + ".x", "paused": true}
	a := b.action("nats.consumer", p)
	e := b.apply(a)
	checked := maps.Clone(p)
	delete(checked, "paused")
	checked["pending"] = int64(0)
	check := b.check("nats.consumer", checked)
	if r := b.awaits(check, evidence.Pass); !strings.Contains(r.Value, "2 pending") || !strings.Contains(r.Value, "owns none") {
		t.Errorf("value %q", r.Value)
	}
	if err := b.c.resume(t.Context(), e.Mine, name, "worker"); err != nil {
		t.Fatal(err)
	}
	b.awaits(check, evidence.Fail)
	if _, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e)); !ok {
		t.Fatal("a consumer that may have begun was deleted")
	}
	if err := b.c.pause(t.Context(), e.Mine, name, "worker", forever()); err != nil {
		t.Fatal(err)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if info, err := b.c.consumer(t.Context(), name, "worker"); err != nil || info != nil {
		t.Fatalf("consumer %+v, error %v", info, err)
	}
}

func TestConsumerPlanRefuses(t *testing.T) {
	b := newBench(t)
	name, sub := unique("CONS"), space("cons")
	b.stream(name, sub+".>")
	b.durable(name, "worker", sub+".x")
	for wants, p := range map[string]runbook.Params{
		"10012": {"stream": name, "name": "worker", "ack": "all"},
		"10059": {"stream": name + "X", "name": "worker"},
	} {
		p["on"] = "bus"
		_, _, err := b.plan(b.action("nats.consumer", p))
		if refusal, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(refusal.Reason, wants) || refusal.Remedy == "" {
			t.Errorf("%s: error %v", wants, err)
		}
	}
}
