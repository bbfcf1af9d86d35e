package web

import (
	"context"
	"fmt"

	"github.com/segue-run/segue/driver"
)

// trace looks for an id in streams. It remembers how far it has looked, as
// others' messages come all the time.
type trace struct {
	a      *probe
	bus    driver.MessageStore
	id     string
	after  map[string]uint64
	looked map[[2]string]uint64 // stream, subject → the sequence up to which there is nothing
	stored uint64               // where the message is in its own stream, once it is known
}

func newTrace(a *probe, bus driver.MessageStore, id string, after map[string]uint64) *trace {
	return &trace{a: a, bus: bus, id: id, after: after, looked: map[[2]string]uint64{}}
}

// find returns the first message that carries the id; nil if there is none yet.
func (t *trace) find(ctx context.Context, stream, subject string) (*driver.Message, error) {
	at := [2]string{stream, subject}
	m, looked, err := t.bus.Find(ctx, stream, subject, max(t.after[stream], t.looked[at]), t.id)
	if err == nil && m == nil {
		t.looked[at] = looked
	}
	return m, err
}

// astrayError: the message is where it must not be.
type astrayError struct{ where string }

func (e *astrayError) Error() string { return e.where }

// astray fails when the message is a dead letter, or is stored twice or in
// another stream than its own. What a stream has taken over from another is a
// copy: that is how a stream follows its predecessor.
func (t *trace) astray(ctx context.Context) error {
	streams, err := t.bus.Streams(ctx)
	if err != nil {
		return err
	}
	p := t.a.p
	for _, s := range streams {
		dead, err := t.find(ctx, s.Name, p.DeadLetters)
		if err != nil {
			return err
		}
		if dead != nil && !dead.Copy && !s.Mirror {
			return &astrayError{fmt.Sprintf("it was dead-lettered: message %d of stream %s", dead.Seq, s.Name)}
		}
		other, err := t.find(ctx, s.Name, p.Subject)
		if err != nil {
			return err
		}
		if other != nil && s.Name == p.Stream && (t.stored == 0 || other.Seq == t.stored) { // where it belongs
			if other, err = t.twice(ctx, other); err != nil {
				return err
			}
		}
		if other != nil && !other.Copy && !s.Mirror {
			if s.Name == p.Stream {
				return &astrayError{fmt.Sprintf("it is stored twice: as message %d of stream %s too", other.Seq, s.Name)}
			}
			return &astrayError{fmt.Sprintf("it is stored as message %d of stream %s, and belongs in %s alone", other.Seq, s.Name, p.Stream)}
		}
	}
	return nil
}

// twice looks for another one after the first.
func (t *trace) twice(ctx context.Context, first *driver.Message) (*driver.Message, error) {
	m, _, err := t.bus.Find(ctx, first.Stream, first.Subject, first.Seq, t.id)
	return m, err
}
