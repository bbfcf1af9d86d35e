package nats

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/relay"
)

// handing is the seed's topology, to be handed over.
type handing struct {
	*topology
	hooks  *hooks
	cursor json.RawMessage
	faulty faulty
	mend   func() // ends a fault
}

func newHanding(b *bench) *handing {
	b.t.Helper()
	return &handing{topology: newTopology(b)}
}

// newHandover is a new value, as a process makes that starts after a crash.
func (p *handing) action() *handover {
	p.t.Helper()
	a := p.bench.action("nats.handover", p.moves).(*handover)
	a.hooks = p.hooks
	return a
}

// effect keeps the cursor.
func (p *handing) effect(a driver.Action) driver.Effect {
	p.t.Helper()
	e := p.bench.effect(a)
	e.Save = func(_ context.Context, c any) error { p.cursor = compact(c); return nil }
	return e
}

// again is the effect as a later process gets it.
func (p *handing) again(e driver.Effect) driver.Effect {
	e.Cursor, e.Mine = p.cursor, read
	return e
}

func (p *handing) voyage() voyage {
	p.t.Helper()
	v, err := readVoyage(p.cursor)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// space has no consumers, unless asked for.
func (p *handing) alone() *handing {
	delete(p.moves, "consumers")
	if err := p.js.DeleteConsumer(p.t.Context(), p.from, "normalize-oura"); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *handing) clean(l *load, stream string) tallied {
	p.t.Helper()
	got := l.check(p.c, stream)
	if got.Lost+got.Doubled+got.ReorderedAcked+got.Errors > 0 {
		p.t.Errorf("in stream %s: %+v", stream, got)
	}
	return got
}

func TestHandoverLosesDoublesAndReordersNothing(t *testing.T) {
	b := newBench(t)
	p := newHanding(b).alone()
	b.publish(p.oura(), 50)
	l := newLoad(t, shared, p.vendor, 1200, 100)
	l.flows(200)
	a := p.action()
	e := p.effect(a)
	start := time.Now()
	after, err := a.Apply(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	l.flows(100)
	l.stop()
	got := p.clean(l, p.to)
	v := p.voyage()
	t.Logf("took %s, ownerless %.1f ms, worst publish %s, %+v, ledger %s", took, v.Forward.Ownerless, got.Worst, got, compact(v.Forward.Ledger.Condensed(3)))
	t.Logf("seen %q, cannot %q", v.Seen, v.Cannot)
	var ledger relay.Ledger
	if err := json.Unmarshal(after[a.toID()]["ledger"], &ledger); err != nil || ledger.Unequal() != "" || len(ledger.Subjects) < len(publisherKinds) {
		t.Fatalf("ledger %+v: %v", ledger, err)
	}
	if err := a.Witness(t.Context(), e.Want); err != nil {
		t.Fatal(err)
	}
}
