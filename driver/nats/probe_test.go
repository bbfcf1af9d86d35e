package nats

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/runbook"
)

func TestProbeWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets:          shared.Secrets(),
		AlwaysActs:       true,
		ObserveOnly:      []string{"probed"},
		NothingToDisturb: true,
		World: func(t testing.TB) drivertest.World {
			b := b.in(t, 1)
			name, sub := unique("PROBE"), space("probe")
			b.stream(name, sub+".>")
			b.publish(sub+".x", 1) // somebody else's
			p := runbook.Params{"on": "bus", "subject": sub + ".x", "payload": `{"test": true}`, "stream": name}
			return drivertest.World{Action: func() driver.Action { return b.action("nats.probe", p) }}
		},
	})
}

func TestProbeSeesItsMessageConsumedAndRemovesOnlyThat(t *testing.T) {
	b := newBench(t)
	name, sub := unique("PROBE"), space("probe")
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 2)
	got := make(chan jetstream.Msg, 10)
	working, err := c.Consume(func(m jetstream.Msg) { _ = m.Ack(); got <- m }, jetstream.PullExpiry(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer working.Stop()
	b.apply(b.action("nats.probe", runbook.Params{"on": "bus", "subject": sub + ".x", "payload": "hello", "stream": name, "consumer": "worker"}))
	for range 2 {
		<-got
	}
	if m := <-got; string(m.Data()) != "hello" || m.Headers().Get(probeHeader) == "" {
		t.Fatalf("message %q %v", m.Data(), m.Headers())
	}
	if info := b.info(name); info.State.Messages != 2 || info.State.LastSeq != 3 {
		t.Fatalf("state %+v", info.State)
	}
}

func TestProbeThatNobodyConsumesFailsAndLeavesNothing(t *testing.T) {
	b := newBench(t)
	name, sub := unique("PROBE"), space("probe")
	b.stream(name, sub+".>")
	b.durable(name, "worker", sub+".x")
	a := b.action("nats.probe", runbook.Params{"on": "bus", "subject": sub + ".x", "stream": name, "consumer": "worker", "within": time.Second})
	_, err := a.Apply(t.Context(), b.effect(a))
	if err == nil || !strings.Contains(err.Error(), "1 pending") {
		t.Fatalf("error %v", err)
	}
	if n := b.info(name).State.Messages; n != 0 {
		t.Fatalf("%d messages left", n)
	}
}

func TestProbeThatAnotherStreamWouldStoreIsRefusedByIt(t *testing.T) {
	b := newBench(t)
	name, other, sub := unique("PROBE"), unique("OTHER"), space("probe")
	b.stream(name, space("elsewhere")+".>")
	b.stream(other, sub+".>")
	a := b.action("nats.probe", runbook.Params{"on": "bus", "subject": sub + ".x", "stream": name})
	if _, err := a.Apply(t.Context(), b.effect(a)); !hasCode(err, 10060) {
		t.Fatalf("error %v", err)
	}
	if n := b.info(other).State.LastSeq; n != 0 {
		t.Fatalf("the other stream stored it as %d", n)
	}
}

func TestPurgeWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			b := b.in(t, 1)
			name, sub := unique("PURGE"), space("purge")
			b.stream(name, sub+".>")
			b.publish(sub+".test.x", 2)
			p := runbook.Params{"on": "bus", "stream": name, "subject": sub + ".test.>"}
			return drivertest.World{
				Action:  func() driver.Action { return b.action("nats.purge", p) },
				Disturb: func(context.Context) error { b.publish(sub+".test.x", 1); return nil },
			}
		},
	})
}

func TestPurgeTakesOnlyItsSubjectAndOnlyWhatWasThere(t *testing.T) {
	b := newBench(t)
	name, sub := unique("PURGE"), space("purge")
	b.stream(name, sub+".>")
	b.publish(sub+".real", 2)
	b.publish(sub+".test", 3)
	a := b.action("nats.purge", runbook.Params{"on": "bus", "stream": name, "subject": sub + ".test"})
	e := b.effect(a)
	e.Save = func(context.Context, any) error { b.publish(sub+".test", 1); return nil } // one more, meanwhile
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if n := b.info(name).State.Messages; n != 3 {
		t.Fatalf("%d messages left, want 2 real ones and the one that came meanwhile", n)
	}
	for _, p := range []purgeParams{{}, {Subject: "a", Everything: true}} {
		if e, ok := errors.AsType[*runbook.FieldError](p.Validate()); !ok || e.Remedy == "" {
			t.Errorf("%+v is taken", p)
		}
	}
}
