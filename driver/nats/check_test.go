package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// The checklists of the seed's steps 0.2 and 1.3, as checks.
func TestStreamAndConsumerChecksNameWhatDiffers(t *testing.T) {
	b := newBench(t)
	name, sub := unique("AA_DLQ"), space("dlq")
	b.stream(name, sub+".>")
	b.durable(name, "normalize-oura", sub+".x")
	stream := runbook.Params{"on": "bus", "name": name, "subjects": []any{sub + ".>"}, "max-age": 24 * time.Hour, "replicas": int64(3), "storage": "file", "messages": int64(0)}
	wantVerdict(t, b.check("nats.stream", stream).Read(t.Context()), evidence.Pass)
	consumer := runbook.Params{"on": "bus", "stream": name, "name": "normalize-oura", "filter": sub + ".x", "ack": "explicit", "max-deliver": int64(5), "ack-wait": 15 * time.Second, "pending": int64(0)}
	wantVerdict(t, b.check("nats.consumer", consumer).Read(t.Context()), evidence.Pass)

	b.publish(sub+".x", 1)
	stream["max-age"], consumer["ack-wait"] = 48*time.Hour, time.Minute
	r := b.check("nats.stream", stream).Read(t.Context())
	wantVerdict(t, r, evidence.Fail)
	for _, part := range []string{`max-age: "24h", expected "48h"`, "messages: 1, expected exactly 0"} {
		if !strings.Contains(r.Detail, part) {
			t.Errorf("%q is not in %q", part, r.Detail)
		}
	}
	r = b.reads(b.check("nats.consumer", consumer), "pending", func(r evidence.Reading) bool {
		return r.Verdict == evidence.Fail && strings.Contains(r.Detail, "pending: 1, expected 0")
	})
	if !strings.Contains(r.Detail, `ack-wait: "15s", expected "1m"`) {
		t.Errorf("detail %q", r.Detail)
	}
	wantVerdict(t, b.check("nats.stream", runbook.Params{"on": "bus", "name": name + "X"}).Read(t.Context()), evidence.Fail)
}

func TestFlowIsUnknownUntilSomethingAdvancesAndFailsWhenItStops(t *testing.T) {
	b := newBench(t)
	name, sub := unique("FLOW"), space("flow")
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	f := b.check("nats.flow", runbook.Params{"on": "bus", "stream": name, "consumer": "worker", "idle-for": 300 * time.Millisecond}).(*flow)
	slow := b.check("nats.flow", runbook.Params{"on": "bus", "stream": name})
	wantVerdict(t, f.Read(t.Context()), evidence.Unknown)
	wantVerdict(t, slow.Read(t.Context()), evidence.Unknown)
	wantVerdict(t, slow.Read(t.Context()), evidence.Unknown)
	b.publish(sub+".x", 1)
	b.ack(c, 1)
	b.awaits(f, evidence.Pass)
	wantVerdict(t, slow.Read(t.Context()), evidence.Pass)
	wantVerdict(t, slow.Read(t.Context()), evidence.Pass)
	b.awaits(f, evidence.Fail)
	wantVerdict(t, b.check("nats.flow", runbook.Params{"on": "bus", "stream": name + "X"}).Read(t.Context()), evidence.Unknown)
}

func TestLagAndDrainedCountWhatIsDeliveredAndNotAcknowledged(t *testing.T) {
	b := newBench(t)
	name, sub := unique("LAG"), space("lag")
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	lag := func(below int64) evidence.Reading {
		return b.check("nats.lag", runbook.Params{"on": "bus", "stream": name, "consumer": "worker", "below": below}).Read(t.Context())
	}
	drained := b.check("nats.drained", runbook.Params{"on": "bus", "stream": name})
	wantVerdict(t, drained.Read(t.Context()), evidence.Pass)
	b.publish(sub+".x", 3)
	msgs, err := c.Fetch(3)
	if err != nil {
		t.Fatal(err)
	}
	var held []jetstream.Msg
	for m := range msgs.Messages() {
		held = append(held, m)
	}
	b.awaits(drained, evidence.Fail)
	wantVerdict(t, lag(3), evidence.Fail)
	wantVerdict(t, lag(4), evidence.Pass)
	for _, m := range held {
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.awaits(drained, evidence.Pass)
	wantVerdict(t, b.check("nats.lag", runbook.Params{"on": "bus", "stream": name, "consumer": "nobody", "below": int64(1)}).Read(t.Context()), evidence.Unknown)
}

func TestIdleDoesNotCountSourcedMessages(t *testing.T) {
	b := newBench(t)
	name, source, sub := unique("IDLE"), unique("SOURCE"), space("idle")
	b.stream(source, sub+".sourced")
	b.create(jetstream.StreamConfig{Name: name, Subjects: []string{sub + ".own"}, Sources: []*jetstream.StreamSource{{Name: source}}})
	check := b.check("nats.idle", runbook.Params{"on": "bus", "stream": name})
	wantVerdict(t, check.Read(t.Context()), evidence.Unknown)
	wantVerdict(t, check.Read(t.Context()), evidence.Pass)
	b.publish(sub+".sourced", 2)
	if err := await(t.Context(), func() (bool, error) { return b.info(name).State.Messages == 2, nil }); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, check.Read(t.Context()), evidence.Pass)
	b.publish(sub+".own", 1)
	wantVerdict(t, check.Read(t.Context()), evidence.Fail)
	wantVerdict(t, check.Read(t.Context()), evidence.Pass)
}
