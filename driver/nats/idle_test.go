package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/runbook"
)

// sourcing is a stream with subjects of its own that sources another.
func (b *bench) sourcing() (name, sub string) {
	b.t.Helper()
	name, source, sub := unique("IDLE"), unique("SOURCE"), space("idle")
	b.stream(source, sub+".sourced")
	b.create(jetstream.StreamConfig{Name: name, Subjects: []string{sub + ".own", sub + ".other"}, Sources: []*jetstream.StreamSource{{Name: source}}})
	return name, sub
}

func (b *bench) has(stream string, n uint64) {
	b.t.Helper()
	if err := await(b.t.Context(), func() (bool, error) { return b.info(stream).State.LastSeq == n, nil }); err != nil {
		b.t.Fatal(err)
	}
}

// Each look is a check's first, as right after a restart.
func TestIdleForATimeGoesByTheMessagesTimes(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	name, sub := b.sourcing()
	look := func(d time.Duration, more ...string) evidence.Reading {
		t.Helper()
		p := runbook.Params{"on": "bus", "stream": name, "for": d}
		for _, s := range more {
			p["subject"] = s
		}
		return b.check("nats.idle", p).Read(t.Context())
	}
	wantVerdict(t, look(time.Hour), evidence.Pass) // it holds none
	b.publish(sub+".own", 1)
	r := look(time.Hour)
	wantVerdict(t, r, evidence.Fail)
	if !strings.Contains(r.Value, "message 1 on "+sub+".own is 0s old") {
		t.Fatalf("reading %+v", r)
	}
	b.publish(sub+".sourced", 20)
	b.has(name, 21)
	r = look(time.Hour) // behind twenty that were sourced
	wantVerdict(t, r, evidence.Fail)
	if !strings.Contains(r.Value, "message 1 on "+sub+".own") {
		t.Fatalf("reading %+v", r)
	}
	wantVerdict(t, look(time.Hour, sub+".other"), evidence.Pass)
	wantVerdict(t, look(time.Hour, sub+".own"), evidence.Fail)
	wantVerdict(t, b.check("nats.idle", runbook.Params{"on": "bus", "stream": "NOBODY", "for": time.Hour}).Read(t.Context()), evidence.Unknown)

	const short = 300 * time.Millisecond
	soon := b.check("nats.idle", runbook.Params{"on": "bus", "stream": name, "for": short})
	b.publish(sub+".own", 1)
	wantVerdict(t, soon.Read(t.Context()), evidence.Fail)
	b.awaits(soon, evidence.Pass)
	b.publish(sub+".sourced", 5) // young, and not its own
	b.has(name, 27)
	r = look(short)
	wantVerdict(t, r, evidence.Pass)
	if r.Samples != 5 {
		t.Fatalf("the look passed over %d messages, not only over the young ones: %+v", r.Samples, r)
	}
}

// A message that came and was taken away again was a message.
func TestIdleForATimeIsNotDeceivedByWhatIsGone(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 3)
	name, sub := unique("IDLE"), space("idle")
	s := b.stream(name, sub+".>")
	b.publish(sub+".x", 3)
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(p runbook.Params) evidence.Reading {
		p["on"], p["stream"] = "bus", name
		return b.check("nats.idle", p).Read(t.Context())
	}
	r := check(runbook.Params{"for": time.Hour})
	wantVerdict(t, r, evidence.Fail)
	if !strings.Contains(r.Value, "message 3 came 0s ago and is gone") {
		t.Fatalf("reading %+v", r)
	}
	wantVerdict(t, check(runbook.Params{"for": time.Hour, "subject": sub + ".x"}), evidence.Unknown)
	b.awaits(b.check("nats.idle", runbook.Params{"on": "bus", "stream": name, "for": 100 * time.Millisecond}), evidence.Pass)

	sourcing, sub := b.sourcing()
	b.publish(sub+".sourced", 2)
	b.has(sourcing, 2)
	b.publish(sub+".own", 1)
	if err := b.c.deleteMessage(t.Context(), read, sourcing, 3); err != nil {
		t.Fatal(err)
	}
	idle := b.check("nats.idle", runbook.Params{"on": "bus", "stream": sourcing, "for": time.Hour})
	wantVerdict(t, idle.Read(t.Context()), evidence.Unknown) // the last one is gone
	b.publish(sub+".sourced", 1)
	b.has(sourcing, 4)
	for range 2 {
		r = idle.Read(t.Context()) // one between is gone
		wantVerdict(t, r, evidence.Unknown)
		if !strings.Contains(r.Detail, "messages 3 to 3") {
			t.Fatalf("reading %+v", r)
		}
	}
}

// What came between two looks and was purged, with sourced messages behind
// it, shows only to one who remembers the last look.
func TestIdleForATimeRemembersItsLastLook(t *testing.T) {
	t.Parallel()
	b := newBench(t).in(t, 1)
	name, sub := b.sourcing()
	b.publish(sub+".sourced", 2)
	b.has(name, 2)
	idle := b.check("nats.idle", runbook.Params{"on": "bus", "stream": name, "for": time.Hour})
	wantVerdict(t, idle.Read(t.Context()), evidence.Pass)
	b.publish(sub+".own", 1)
	s, err := b.js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.publish(sub+".sourced", 1)
	b.has(name, 4)
	wantVerdict(t, idle.Read(t.Context()), evidence.Unknown)
	wantVerdict(t, idle.Read(t.Context()), evidence.Unknown)
}
