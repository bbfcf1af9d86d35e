package nats

import (
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/driver"
)

func TestMessagesAreFoundReadAndDeleted(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, copies, mirror, sub := unique("STORE"), unique("COPIES"), unique("MIRROR"), space("store")
	b.stream(name, sub+".>")
	b.publish(sub+".x", 2)
	b.publish(sub+".y", 1)
	for _, cfg := range []jetstream.StreamConfig{
		{Name: copies, Sources: []*jetstream.StreamSource{{Name: name}}}, {Name: mirror, Mirror: &jetstream.StreamSource{Name: name}},
	} {
		b.create(cfg)
	}
	var store driver.MessageStore = b.c
	streams, err := store.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []driver.Stream{{Name: name, Last: 3}, {Name: mirror, Mirror: true}} {
		if !slices.ContainsFunc(streams, func(s driver.Stream) bool {
			return s.Name == want.Name && s.Mirror == want.Mirror && (want.Mirror || s.Last == want.Last)
		}) {
			t.Errorf("streams %+v, want %+v", streams, want)
		}
	}
	next := func(stream string, after uint64) *driver.Message {
		t.Helper()
		m, _, err := store.Find(t.Context(), stream, sub+".x", after, "") // any
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := next(name, 0); m == nil || m.Seq != 1 || m.Copy || !m.Carries("0") || m.Carries("1") {
		t.Errorf("the first is %+v", m)
	}
	if m := next(name, 1); m == nil || m.Seq != 2 {
		t.Errorf("the next is %+v", m)
	}
	if m := next(name, 2); m != nil {
		t.Errorf("after the last is %+v", m)
	}
	if m := next("NOWHERE", 0); m != nil {
		t.Errorf("in no stream is %+v", m)
	}
	var copied *driver.Message
	if err := await(t.Context(), func() (bool, error) {
		copied = next(copies, 1)
		return copied != nil, nil
	}); err != nil || !copied.Copy {
		t.Errorf("the copy is %+v, %v", copied, err)
	}
	if m, err := store.Latest(t.Context(), name, sub+".x"); err != nil || m.Seq != 2 {
		t.Errorf("the latest is %+v, %v", m, err)
	}
	for range 2 {
		if err := store.DeleteMessage(t.Context(), read, name, 2); err != nil {
			t.Errorf("delete, and again: %v", err)
		}
	}
	if m, err := store.Latest(t.Context(), name, sub+".x"); err != nil || m.Seq != 1 {
		t.Errorf("the latest is %+v, %v", m, err)
	}
	if err := store.DeleteMessage(t.Context(), read, "NOWHERE", 1); err != nil {
		t.Errorf("delete in no stream: %v", err)
	}
}

func TestAMarkIsFoundAmongManyMessages(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, sub := unique("MANY"), space("many")
	b.stream(name, sub+".>")
	b.publish(sub+".x", 300)
	b.publish(sub+".y", 700)
	if _, err := b.js.Publish(t.Context(), sub+".x", []byte("marked by me")); err != nil {
		t.Fatal(err)
	}
	b.publish(sub+".x", 400)
	m, looked, err := b.c.Find(t.Context(), name, sub+".x", 2, "by me")
	if err != nil || m == nil || m.Seq != 1001 || looked != 1001 {
		t.Errorf("found %+v, looked up to %d, %v", m, looked, err)
	}
	for _, tt := range []struct {
		subject, mark string
		after         uint64
	}{{sub + ".x", "by nobody", 0}, {sub + ".y", "by me", 0}, {sub + ".x", "by me", 1001}} {
		if m, looked, err := b.c.Find(t.Context(), name, tt.subject, tt.after, tt.mark); m != nil || looked != 1401 || err != nil {
			t.Errorf("%+v: found %+v, looked up to %d, %v", tt, m, looked, err)
		}
	}
}

// A stream whose subject moved on still has the messages from before.
func TestAMarkIsFoundInAStreamThatLostTheSubject(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, sub := unique("FORMER"), space("former")
	b.stream(name, sub+".>")
	b.publish(sub+".x", 3)
	if _, err := b.js.Publish(t.Context(), sub+".x", []byte("marked by me")); err != nil {
		t.Fatal(err)
	}
	b.publish(sub+".x", 3)
	if _, err := b.js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{sub + "-closed"}}); err != nil {
		t.Fatal(err)
	}
	if m, looked, err := b.c.Find(t.Context(), name, sub+".x", 0, "by me"); err != nil || m == nil || m.Seq != 4 || looked != 4 {
		t.Errorf("found %+v, looked up to %d, %v", m, looked, err)
	}
	if m, looked, err := b.c.Find(t.Context(), name, sub+".x", 4, "by me"); err != nil || m != nil || looked != 7 {
		t.Errorf("found %+v, looked up to %d, %v", m, looked, err)
	}
}

func TestWhatAConsumerHasAcknowledgedIsTold(t *testing.T) {
	b := newBench(t).in(t, 1)
	name, sub := unique("ACKS"), space("acks")
	b.stream(name, sub+".>")
	c := b.durable(name, "worker", sub+".x")
	b.publish(sub+".x", 2)
	b.ack(c, 1)
	for seq, want := range map[uint64]bool{1: true, 2: false} {
		if err := await(t.Context(), func() (bool, error) {
			done, left, err := b.c.Acknowledged(t.Context(), name, "worker", seq)
			return done == want && left != "", err
		}); err != nil {
			t.Error(err)
		}
	}
	if done, left, err := b.c.Acknowledged(t.Context(), name, "nobody", 1); done || err != nil || left != "there is no such consumer" {
		t.Errorf("no consumer: %v %q %v", done, left, err)
	}
}
