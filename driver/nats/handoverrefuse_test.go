package nats

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/natstest"
	"github.com/segue-run/segue/driver/nats/relay"
	"github.com/segue-run/segue/internal/soak"
)

// What would not be safe is refused before anything is touched, with a reason
// and a remedy.
func TestHandoverRefuses(t *testing.T) {
	b := newBench(t)
	for why, tc := range map[string]struct {
		spoil func(p *handing) error
		wants string
	}{
		"a new stream that owns something": {func(p *handing) error {
			return p.edit(t.Context(), p.to, func(c *jetstream.StreamConfig) { c.Subjects = []string{space("own") + ".>"} })
		}, "duplicate window"},
		"a transform": {func(p *handing) error {
			return p.edit(t.Context(), p.from, func(c *jetstream.StreamConfig) {
				c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "a.>", Destination: "b.>"}
			})
		}, "transform"},
		"a limit that drops history": {func(p *handing) error {
			b.publish(p.oura(), 3)
			return p.edit(t.Context(), p.to, func(c *jetstream.StreamConfig) { c.MaxMsgs = 2 })
		}, "holds 3"},
		"a stream that copies the old one": {func(p *handing) error {
			p.create(jetstream.StreamConfig{Name: unique("MIRROR"), Mirror: &jetstream.StreamSource{Name: p.from}})
			return nil
		}, "copies"},
		"a consumer that is not named": {func(p *handing) error { p.durable(p.from, "audit", p.vendor+".>"); return nil }, "audit"},
		"one that reads something else too": {func(p *handing) error {
			_, err := p.js.UpdateConsumer(t.Context(), p.from, jetstream.ConsumerConfig{Durable: "normalize-oura", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 15 * time.Second, MaxDeliver: 5})
			return err
		}, "which does not move"},
		"one on the new stream": {func(p *handing) error { p.durable(p.to, "early", p.vendor+".>"); return nil }, "early"},
		"publishers that expect the stream": {func(p *handing) error {
			_, err := p.js.Publish(t.Context(), p.oura(), nil, jetstream.WithExpectStream(p.from))
			return err
		}, "Nats-Expected-Stream"},
		"a part of a pattern": {func(p *handing) error { p.moves["subjects"] = []any{p.vendor + ".oura.>"}; return nil }, "subjects: [" + "vendor"},
	} {
		t.Run(why, func(t *testing.T) {
			p := newHanding(b.in(t, 3))
			if err := tc.spoil(p); err != nil {
				t.Fatal(err)
			}
			a := p.action()
			before, want, err := b.plan(a)
			if err == nil { // it shows only in what is published
				_, err = a.Apply(t.Context(), driver.Effect{Before: before, Want: want, Mine: read, Save: func(context.Context, any) error { return nil }})
			}
			refusal, ok := errors.AsType[*driver.Refusal](err)
			if !ok || !strings.Contains(err.Error(), tc.wants) || refusal.Remedy == "" {
				t.Fatalf("error %v", err)
			}
			if owner, err := a.forward(read).owner(t.Context()); tc.wants[0] != 's' && (err != nil || owner != p.from) {
				t.Fatalf("owner %q, error %v", owner, err)
			}
		})
	}
}

// A user who could begin a handover and not end it does not begin one.
func TestHandoverRefusesAUserWhoMayNot(t *testing.T) {
	b := newBench(t)
	for name, denied := range map[string]string{"deaf": "Subscription", "mute": "_segue.relay", "reader": "$JS.API.STREAM.UPDATE"} {
		t.Run(name, func(t *testing.T) {
			p := newHanding(b.in(t, 3)).alone()
			p.bench = &bench{t, connectTo(t, shared, shared.URLOf(name)), b.js, 3}
			before := b.info(p.to)
			a := p.action()
			_, err := a.Apply(t.Context(), p.effect(a))
			if _, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(err.Error(), denied) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(before.Config, b.info(p.to).Config); diff != "" {
				t.Errorf("the new stream was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// A history that is not asked for stays where it is; what comes is complete.
func TestHandoverWithoutHistory(t *testing.T) {
	b := newBench(t)
	p := newHanding(b).alone()
	p.moves["history"] = "none"
	b.publish(p.oura(), 20)
	a := p.action()
	if _, err := a.Apply(t.Context(), p.effect(a)); err != nil {
		t.Fatal(err)
	}
	b.publish(p.oura(), 2)
	if info := b.info(p.to); info.State.Messages != 2 {
		t.Fatalf("the new stream has %d messages", info.State.Messages)
	}
	p = newHanding(b).alone()
	p.moves["history"], p.moves["since"] = "since", time.Hour
	b.publish(p.oura(), 5)
	a = p.action()
	if _, err := a.Apply(t.Context(), p.effect(a)); err != nil {
		t.Fatal(err)
	}
	if info := b.info(p.to); info.State.Messages != 5 {
		t.Fatalf("the new stream has %d messages of the last hour", info.State.Messages)
	}
}

// Copying both ways would multiply messages without end.
func TestMutualSourcingIsImpossible(t *testing.T) {
	b := newBench(t)
	p := newHanding(b)
	x := p.action().forward(read)
	x.start = 1
	giver := config{}
	x.back().addSource(giver, config{})
	defer func() {
		if recover() == nil {
			t.Fatal("both copy each other")
		}
	}()
	x.addSource(config{}, giver)
}

// With a node down the undo gives the subjects back, and says that the relay's
// transform is still there; undone again with all nodes it is gone.
func TestUndoOfAHandoverWithANodeDown(t *testing.T) {
	if !soak.On() {
		t.Log("done by make soak: it waits for what does not come")
		return
	}
	cluster := natstest.Cluster(t)
	b := &bench{t, connect(t, cluster), cluster.JetStream(t), 3}
	p := newHanding(b).alone()
	l := newLoad(t, cluster, p.vendor, 200, 100)
	l.flows(20)
	a := p.action()
	e := p.effect(a)
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	down := (cluster.StreamLeader(p.to) + 1) % 3
	cluster.StopNode(t, down)
	l.flows(20)
	err := p.action().Undo(t.Context(), p.again(e))
	kept, ok := errors.AsType[*driver.Kept](err)
	if !ok || !strings.Contains(kept.What, "transform") {
		t.Fatalf("undo: %v", err)
	}
	if err := p.c.expectOwner(t.Context(), p.oura(), p.from); err != nil {
		t.Fatal(err)
	}
	cluster.StartNode(t, down)
	if err := p.action().Undo(t.Context(), p.again(e)); err != nil {
		t.Fatalf("undo with all nodes: %v", err)
	}
	l.flows(20)
	l.stop()
	if got := l.check(p.c, p.from); got.LostAcked > 0 || got.Doubled > 0 {
		t.Errorf("%+v", got)
	}
	if prefixed(b.info(p.from).Config) || len(sourcesOf(b.info(p.from).Config)) > 0 {
		t.Errorf("the old stream has %v", b.info(p.from).Config)
	}
	p.replicasEqual(p.from)
}

// Negative control of the tests' own ledger.
func TestTheLoadsLedgerFindsWhatIsPlanted(t *testing.T) {
	p := &pub{publisherKind: publisherKinds[0], subject: "s", sent: 4, acked: map[int]bool{0: true, 1: true, 2: true, 3: true}}
	l := &load{t: t, pubs: []*pub{p}}
	stored := func(numbers ...string) (out []relay.Stored) {
		for i, n := range numbers {
			out = append(out, relay.Stored{Subject: "s", Data: []byte(n + " x"), Seq: uint64(i + 1), Header: nats.Header{}})
		}
		return out
	}
	for name, tc := range map[string]struct {
		have                     []relay.Stored
		lost, doubled, reordered int
	}{
		"all":     {stored("0", "1", "2", "3"), 0, 0, 0},
		"lost":    {stored("0", "1", "3"), 1, 0, 0},
		"doubled": {stored("0", "1", "2", "2", "3"), 0, 1, 0},
		"swapped": {stored("0", "2", "1", "3"), 0, 0, 1},
	} {
		if got := l.compare(tc.have); got.LostAcked != tc.lost || got.Doubled != tc.doubled || got.ReorderedAcked != tc.reordered {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
