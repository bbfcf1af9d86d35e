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

// legacy is a stream that may go: closed, drained, backed up, idle.
type legacy struct {
	*bench
	name, sub, dir string
	deletes        runbook.Params
	worker         jetstream.Consumer
}

func newLegacy(b *bench) *legacy {
	b.t.Helper()
	l := &legacy{bench: b, name: unique("LEGACY"), sub: space("legacy"), dir: b.t.TempDir()}
	b.stream(l.name, l.sub+".>")
	l.worker = b.durable(l.name, "worker", l.sub+".x")
	b.publish(l.sub+".x", 3)
	b.ack(l.worker, 3)
	l.close()
	l.backUp()
	l.deletes = runbook.Params{"on": "bus", "stream": l.name, "backup": l.dir, "idle-for": time.Millisecond}
	return l
}

func (l *legacy) close() { l.subjects(closedSubject(l.name)) }

func (l *legacy) subjects(list ...string) {
	l.t.Helper()
	if err := l.edit(l.t.Context(), l.name, func(c *jetstream.StreamConfig) { c.Subjects = list }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *legacy) backUp() {
	l.t.Helper()
	l.apply(l.bench.action("nats.backup", runbook.Params{"on": "bus", "stream": l.name, "to": l.dir, "fresh": time.Duration(0)}))
}

func (l *legacy) action() driver.Action { return l.bench.action("nats.delete", l.deletes) }

func TestDeleteWalks(t *testing.T) {
	b := newBench(t)
	drivertest.Walk(t, drivertest.Subject{
		Secrets: shared.Secrets(),
		World: func(t testing.TB) drivertest.World {
			l := newLegacy(b.in(t, 1))
			return drivertest.World{Action: l.action}
		},
		NothingToDisturb: true,
	})
}

// refused is the refusal of a plan, and of the deletion itself.
func (l *legacy) refused(what string, parts ...string) {
	l.t.Helper()
	a := l.action()
	_, _, err := l.plan(a)
	e := driver.Effect{Save: func(context.Context, any) error { l.t.Fatalf("%s: a cursor was saved", what); return nil }, Mine: read}
	_, applied := a.Apply(l.t.Context(), e)
	for when, err := range map[string]error{"plan": err, "apply": applied} {
		refusal, ok := errors.AsType[*driver.Refusal](err)
		if !ok || refusal.Remedy == "" {
			l.t.Fatalf("%s: %s: error %v", what, when, err)
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				l.t.Errorf("%s: %s: %q is not in %q", what, when, part, err)
			}
		}
	}
	if l.info(l.name) == nil {
		l.t.Fatalf("%s: the stream is gone", what)
	}
}

func TestDeleteRefusesWhatSomebodyMayStillNeed(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	l := newLegacy(b)

	l.subjects(l.sub + ".>")
	l.refused("it has subjects", l.sub+".>", "nats.move", "closed: true")
	b.publish(l.sub+".x", 2)
	l.close()
	l.refused("a consumer is not drained", "consumer worker has 2 pending", "nats.drained")
	msgs, err := l.worker.Fetch(1)
	if err != nil {
		t.Fatal(err)
	}
	held := <-msgs.Messages()
	b.ack(l.worker, 1)
	l.refused("a message is not acknowledged", "0 pending, 1 delivered and not acknowledged")
	if err := held.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), func() (bool, error) {
		info, err := b.c.consumer(t.Context(), l.name, "worker")
		return err == nil && info.drained(), err
	}); err != nil {
		t.Fatal(err)
	}
	l.refused("the backup is older", "ends at message 3", "its last message is 5", "fresh: 0s")
	l.backUp()

	l.deletes["idle-for"] = time.Hour
	l.refused("it is not idle", "message 5 on "+l.sub+".x", "nats.idle: {for: 1h}")
	l.deletes["idle-for"] = time.Millisecond

	reader := unique("READER")
	b.create(jetstream.StreamConfig{Name: reader, Subjects: []string{closedSubject(reader)}, Sources: []*jetstream.StreamSource{{Name: l.name}}})
	l.refused("another stream sources it", reader+" copies from it")
	if err := b.js.DeleteStream(t.Context(), reader); err != nil {
		t.Fatal(err)
	}
	b.create(jetstream.StreamConfig{Name: reader, Mirror: &jetstream.StreamSource{Name: l.name}})
	l.refused("another stream mirrors it", reader+" copies from it")
	if err := b.js.DeleteStream(t.Context(), reader); err != nil {
		t.Fatal(err)
	}

	m := b.saved(l.dir, l.name)
	flip(t, m.dir+"/stream.arc.s2")
	l.refused("the backup is damaged", "damaged", m.name())
	flip(t, m.dir+"/stream.arc.s2")
	l.deletes["backup"] = t.TempDir()
	l.refused("there is no backup", "no whole backup")
	l.deletes["backup"] = l.dir

	e := b.apply(l.action())
	if b.info(l.name) != nil {
		t.Fatal("the stream is there")
	}
	if _, err := l.action().Apply(t.Context(), e); err != nil {
		t.Fatalf("of what is gone already: %v", err)
	}
	if before, want, err := b.plan(l.action()); err != nil || flag(before[b.c.streamID(l.name)]["exists"]) || flag(want[b.c.streamID(l.name)]["exists"]) {
		t.Fatalf("before %s, want %s, error %v", before, want, err)
	}
}

// A backup of an earlier stream of the name is none of this one.
func TestDeleteIsNotContentWithABackupOfAnotherStreamOfTheName(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	l := newLegacy(b)
	if err := b.js.DeleteStream(t.Context(), l.name); err != nil {
		t.Fatal(err)
	}
	b.stream(l.name, l.sub+".>")
	b.publish(l.sub+".x", 3)
	l.close()
	l.refused("the backup is of an earlier stream", "no whole backup")
}

func TestUndoOfADeleteSaysHowItCouldBeHadAgainAndThatWorks(t *testing.T) {
	b := newBench(t)
	l := newLegacy(b)
	a := l.action()
	loses := a.(driver.Irreversible).Loses()
	for _, part := range []string{l.name, "3 messages (1 to 3)", "old", l.dir} {
		if !strings.Contains(loses, part) {
			t.Errorf("%q is not in %q", part, loses)
		}
	}
	e := b.effect(a)
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatalf("undo of what never ran: %v", err)
	}
	e.Save = func(_ context.Context, c any) error { e.Cursor = compact(c); return nil }
	if _, err := a.Apply(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	kept, ok := errors.AsType[*driver.Kept](a.Undo(t.Context(), e))
	name := b.saved(l.dir, l.name).name()
	if !ok || !strings.Contains(kept.Hint, "nats.restore") || !strings.Contains(kept.Hint, name) || !strings.Contains(kept.Cost, "3 messages") {
		t.Fatalf("kept %+v", kept)
	}
	b.apply(b.action("nats.restore", runbook.Params{"on": "bus", "stream": l.name, "from": l.dir, "backup": name}))
	if info := b.info(l.name); info.State.Messages != 3 || len(info.subjects()) != 0 {
		t.Fatalf("stream %+v", info)
	}
	if err := a.Undo(t.Context(), e); err != nil {
		t.Fatalf("undo, and the stream is there: %v", err)
	}
}

// As segue plan does it: the steps before will have moved the last subjects
// away and taken the backup.
func TestDeleteIsPlannedOnAStreamThatEarlierStepsWillHaveEmptied(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	l := newLegacy(b)
	l.subjects(l.sub + ".>")
	b.publish(l.sub+".x", 2)
	l.deletes["idle-for"] = 14 * 24 * time.Hour
	a := l.action().(*deletion)
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	others, err := a.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.PlanAmong(before, others); err == nil {
		t.Fatal("it is planned as the world is now")
	}
	_, closed, err := b.plan(b.action("nats.stream", runbook.Params{"on": "bus", "name": l.name, "closed": true}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.PlanAmong(before.With(closed), others.With(closed)); err != nil {
		t.Fatal(err)
	}
}
