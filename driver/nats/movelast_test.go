package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// lastSubjects is the seed's step 2.7: the old stream gives away all that it
// has left.
func lastSubjects(b *bench) (p *topology, sleepAt string) {
	b.t.Helper()
	p = &topology{bench: b, from: unique("ATHLETE_ALLY_EVENTS"), to: unique("AA_CORE_HOT"), vendor: space("athlete-ally")}
	sleepAt = space("sleep")
	b.stream(p.from, p.vendor+".>", sleepAt+".*")
	b.stream(p.to, closedSubject(p.to))
	b.durable(p.from, "normalize-oura", p.oura())
	b.durable(p.from, "sleeper", sleepAt+".*")
	p.moves = runbook.Params{
		"on": "bus", "subjects": []any{p.vendor + ".>", sleepAt + ".*"}, "from": p.from, "to": p.to,
		"consumers": []any{"normalize-oura"},
	}
	return p, sleepAt
}

func TestTheLastSubjectsOfAStreamMoveUnderLoadAndComeBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p, sleepAt := lastSubjects(b)
	closed := b.check("nats.stream", runbook.Params{"on": "bus", "name": p.from, "closed": true})
	had := b.info(p.from).subjects()
	stopWorkers := p.workers()
	core, sleepers := b.publisher(p.oura(), p.vendor), b.publisher(sleepAt+".night", sleepAt)
	wantVerdict(t, closed.Read(t.Context()), evidence.Fail)

	a := p.action()
	e := b.apply(a)
	wantVerdict(t, closed.Read(t.Context()), evidence.Pass)
	if got := b.info(p.to).subjects(); !cmp.Equal(got, had) {
		t.Fatalf("the new stream has %v", got)
	}
	if _, err := b.js.Publish(t.Context(), p.from, nil, jetstream.WithRetryAttempts(0)); err == nil {
		t.Fatal("the old stream takes what is published under its own name")
	}
	if err := a.(driver.Witness).Witness(t.Context(), e.Want); err != nil {
		t.Fatal(err)
	}
	before := b.info(p.to).State.LastSeq
	if err := await(t.Context(), func() (bool, error) { return b.info(p.to).State.LastSeq > before+20, nil }); err != nil {
		t.Fatal(err)
	}
	if err := p.action().Undo(t.Context(), e); err != nil {
		if _, kept := errors.AsType[*driver.Kept](err); !kept {
			t.Fatal(err)
		}
	}
	wantVerdict(t, closed.Read(t.Context()), evidence.Fail)
	if got := b.info(p.from).subjects(); !cmp.Equal(got, had) {
		t.Fatalf("the old stream has %v back", got)
	}
	core.stop()
	sleepers.stop()
	stopWorkers()
	found := p.stored()
	for id, pub := range map[string]*publisher{p.vendor: core, sleepAt: sleepers} {
		twice, lost := 0, 0
		for i := range pub.acked {
			switch n := found[fmt.Sprintf("%s-%d", id, i)]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
		t.Logf("%s: %d acknowledged, %d lost, %d in both, worst publish %s", id, pub.acked, lost, twice, pub.worst.Round(time.Millisecond))
		if lost > 0 || pub.acked == 0 {
			t.Errorf("%d of %d acknowledged messages on %s are in neither stream", lost, pub.acked, id)
		}
	}
}

// Workers that were stopped left a backlog on the old durable: started again,
// they finish it there before anybody gets what came after the cut.
func TestABacklogIsFinishedOnTheOldStreamInOrderAndOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p, _ := lastSubjects(b)
	const backlog, since = 200, 50
	var want []string
	publish := func(from, n int) {
		for i := from; i < from+n; i++ {
			want = append(want, fmt.Sprint(i))
			if _, err := b.js.Publish(t.Context(), p.oura(), []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(0, backlog)
	a := p.action()
	e := b.effect(a)
	cut := make(chan progress, 10)
	e.Save = func(_ context.Context, c any) error { cut <- c.(progress); return nil }
	ended := make(chan error, 1)
	go func() { _, err := a.Apply(t.Context(), e); ended <- err }()
	for c := range cut {
		if c.Done == switched {
			break
		}
	}
	publish(backlog, since)

	order, stop := p.recording()
	defer stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := await(t.Context(), func() (bool, error) { got = order(); return len(got) >= backlog+since, nil }); err != nil {
		t.Fatalf("%d of %d processed: %v", len(got), backlog+since, err)
	}
	stop()
	got = order()
	var payloads []string
	for i, one := range got {
		stream, payload, _ := strings.Cut(one, " ")
		payloads = append(payloads, payload)
		if home := map[bool]string{true: p.from, false: p.to}[i < backlog]; stream != home {
			t.Fatalf("message %s was processed from %s, not from %s", payload, stream, home)
		}
	}
	if diff := cmp.Diff(want, payloads); diff != "" {
		t.Fatal(diff)
	}
	for _, name := range []string{p.from, p.to} {
		b.awaits(b.check("nats.drained", runbook.Params{"on": "bus", "stream": name, "consumer": "normalize-oura"}), evidence.Pass)
	}
}

// recording runs a worker on each stream; order is what they processed, in
// order, each as "stream payload".
func (p *topology) recording() (order func() []string, stop func()) {
	var mu sync.Mutex
	var all []string
	ctx, cancel := context.WithCancel(p.t.Context())
	var done sync.WaitGroup
	for _, name := range []string{p.from, p.to} {
		c, err := p.js.Consumer(ctx, name, "normalize-oura")
		if err != nil {
			p.t.Fatal(err)
		}
		done.Go(func() {
			for ctx.Err() == nil {
				msgs, err := c.Fetch(10, jetstream.FetchMaxWait(100*time.Millisecond))
				if err != nil {
					continue
				}
				for m := range msgs.Messages() {
					mu.Lock()
					all = append(all, name+" "+string(m.Data()))
					mu.Unlock()
					_ = m.DoubleAck(ctx)
				}
			}
		})
	}
	order = func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
	return order, func() { cancel(); done.Wait() }
}
