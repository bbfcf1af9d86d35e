package nats

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/internal/soak"
	"github.com/segue-run/segue/runbook"
)

// topology is the seed's: an old stream with three spaces, a new one that is
// closed, and a durable on the old one.
type topology struct {
	*bench
	from, to, vendor string
	moves            runbook.Params
}

func newTopology(b *bench) *topology {
	p := &topology{bench: b, from: unique("ATHLETE_ALLY_EVENTS"), to: unique("AA_VENDOR_HOT"), vendor: space("vendor")}
	b.stream(p.from, space("athlete")+".>", p.vendor+".>", space("sleep")+".*")
	b.stream(p.to, closedSubject(p.to))
	b.durable(p.from, "normalize-oura", p.vendor+".oura.webhook.received")
	p.moves = runbook.Params{"on": "bus", "subjects": []any{p.vendor + ".>"}, "from": p.from, "to": p.to, "consumers": []any{"normalize-oura"}}
	return p
}

func (p *topology) oura() string { return p.vendor + ".oura.webhook.received" }

func (p *topology) action() driver.Action { return p.bench.action("nats.move", p.moves) }

func TestMoveWalks(t *testing.T) {
	b := newBench(t)
	for name, prepare := range map[string]func(*topology){
		"three replicas, no durable yet, an earlier message on the new stream": func(p *topology) {
			if _, err := p.js.Publish(p.t.Context(), closedSubject(p.to), nil); err != nil {
				p.t.Fatal(err)
			}
		},
		"a durable is there":        func(p *topology) { p.durable(p.to, "normalize-oura", p.oura()) },
		"a paused durable is there": func(p *topology) { p.durable(p.to, "normalize-oura", p.oura()); p.pauseNew() },
		"the old stream has nothing else": func(p *topology) {
			if err := p.edit(p.t.Context(), p.from, func(c *jetstream.StreamConfig) { c.Subjects = []string{p.vendor + ".>"} }); err != nil {
				p.t.Fatal(err)
			}
		},
	} {
		if (name == "a durable is there" || name == "the old stream has nothing else") && !soak.On() {
			continue // the others are most of it
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drivertest.Walk(t, drivertest.Subject{
				Secrets: shared.Secrets(), Slow: true,
				World: func(t testing.TB) drivertest.World {
					replicas := 1
					if strings.HasPrefix(name, "three") {
						replicas = 3
					}
					p := newTopology(b.in(t, replicas))
					prepare(p)
					return drivertest.World{
						Action: p.action,
						Disturb: func(ctx context.Context) error { // somebody takes it back by hand, half-way
							return p.edit(ctx, p.to, func(c *jetstream.StreamConfig) { c.Subjects = []string{closedSubject(p.to)} })
						},
					}
				},
			})
		})
	}
}

func (p *topology) pauseNew() {
	if err := p.c.pause(p.t.Context(), read, p.to, "normalize-oura", time.Now().Add(time.Hour)); err != nil {
		p.t.Fatal(err)
	}
}

func TestMovePlanRefuses(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	sourcing := unique("SOURCING")
	b.create(jetstream.StreamConfig{Name: sourcing, Subjects: []string{closedSubject(sourcing)}, Sources: []*jetstream.StreamSource{{Name: p.from}}})
	overlapping := unique("OVERLAPPING")
	for why, tc := range map[string]struct {
		change runbook.Params
		wants  string
	}{
		"a part of a pattern":       {runbook.Params{"subjects": []any{p.vendor + ".oura.>"}}, "subjects: [" + p.vendor + ".>]"},
		"subjects it does not have": {runbook.Params{"subjects": []any{"nowhere.>"}}, "does not have nowhere.>"},
		"no new stream":             {runbook.Params{"to": overlapping}, "closed: true"},
		"no such durable":           {runbook.Params{"consumers": []any{"nobody"}}, "10014"},
		"a new stream that copies":  {runbook.Params{"to": sourcing}, "sources"},
	} {
		t.Run(why, func(t *testing.T) {
			q := runbook.Params{}
			for _, m := range []runbook.Params{p.moves, tc.change} {
				for k, v := range m {
					q[k] = v
				}
			}
			_, _, err := b.plan(b.action("nats.move", q))
			if refusal, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(err.Error(), tc.wants) || refusal.Remedy == "" {
				t.Fatalf("error %v", err)
			}
		})
	}
}

// Overlaid with what the steps before will have left, the move can be planned
// while its new stream does not exist yet.
func TestMoveIsPlannedOnAStreamThatAnEarlierStepWillCreate(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	p.moves["to"] = unique("LATER")
	create := b.action("nats.stream", runbook.Params{"on": "bus", "name": p.moves["to"], "closed": true})
	_, created, err := b.plan(create)
	if err != nil {
		t.Fatal(err)
	}
	a := p.action().(*move)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others, err := a.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.PlanAmong(before.With(created), others.With(created))
	if err != nil {
		t.Fatal(err)
	}
	if got := list(want[a.toID()]["subjects"]); !cmp.Equal(got, a.moving) {
		t.Fatalf("subjects %v", got)
	}
}

func TestMoveLetsOldWorkersFinishBeforeNewOnesStart(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	b.publish(p.oura(), 10)
	a := p.action()
	e := b.effect(a)
	saved := make(chan progress, 10)
	e.Save = func(_ context.Context, cursor any) error { saved <- cursor.(progress); return nil }
	ended := make(chan error, 1)
	go func() { _, err := a.Apply(t.Context(), e); ended <- err }()
	for c := range saved {
		if c.Done == switched {
			if c.Cut != 10 {
				t.Errorf("cut at %d", c.Cut)
			}
			break
		}
	}
	b.publish(p.oura(), 5)
	on := func(stream string) *consumerInfo {
		info, err := b.c.consumer(t.Context(), stream, "normalize-oura")
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	if now := on(p.to); now == nil || !now.Paused {
		t.Fatalf("the new durable delivers before the old one is drained: %+v", now)
	}
	old, err := b.js.Consumer(t.Context(), p.from, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	b.ack(old, 10)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if now := on(p.to); now.Paused || now.Pending != 5 {
		t.Fatalf("the new durable: %+v", now)
	}
	if err := a.(driver.Witness).Witness(t.Context(), e.Want); err != nil {
		t.Fatal(err)
	}
	if err := a.(driver.Witness).Witness(t.Context(), e.Before); err == nil || !strings.Contains(err.Error(), p.to) {
		t.Fatalf("the witness believes that nothing moved: %v", err)
	}
}

func TestMoveSaysWhoHasNotFinished(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	p.moves["drain-within"] = 300 * time.Millisecond
	b.publish(p.oura(), 3)
	a := p.action()
	_, err := a.Apply(t.Context(), b.effect(a))
	if err == nil || !strings.Contains(err.Error(), "3 pending") || !strings.Contains(err.Error(), p.from) {
		t.Fatalf("error %v", err)
	}
}

func TestUndoOfAMoveKeepsWhatTheNewStreamHolds(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	a := p.action()
	e := b.apply(a)
	b.publish(p.oura(), 4)
	kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.Cost, "4 pending") {
		t.Fatalf("kept %+v", kept)
	}
	b.publish(p.oura(), 1)
	if from, to := b.info(p.from), b.info(p.to); from.State.Messages != 1 || to.State.Messages != 4 {
		t.Fatalf("from has %d, to has %d", from.State.Messages, to.State.Messages)
	}
	next, err := b.js.Consumer(t.Context(), p.to, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	b.ack(next, 4)
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	// A second attempt does not deliver again what was processed.
	old, err := b.js.Consumer(t.Context(), p.from, "normalize-oura")
	if err != nil {
		t.Fatal(err)
	}
	b.ack(old, 1)
	b.apply(a)
	if info, err := b.c.consumer(t.Context(), p.to, "normalize-oura"); err != nil || info.Pending != 0 {
		t.Fatalf("the new durable %+v, error %v", info, err)
	}
}

// A subject that somebody else gave to the old stream meanwhile stays.
func TestUndoOfAMoveLeavesForeignSubjects(t *testing.T) {
	b := newBench(t)
	p := newTopology(b)
	a := p.action()
	e := b.apply(a)
	foreign := space("foreign") + ".>"
	if err := b.edit(t.Context(), p.from, func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, foreign) }); err != nil {
		t.Fatal(err)
	}
	kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
	if !ok || !strings.Contains(kept.What, foreign) {
		t.Fatalf("kept %+v", kept)
	}
	got := b.info(p.from).subjects()
	if len(minus([]string{p.vendor + ".>", foreign}, got)) > 0 {
		t.Fatalf("subjects %v", got)
	}
}
