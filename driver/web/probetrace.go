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
		dead, err := t.news(ctx, s, p.DeadLetters)
		if err != nil {
			return err
		}
		if dead != nil && !dead.Copy && !s.Mirror {
			return &astrayError{fmt.Sprintf("it was dead-lettered: message %d of stream %s", dead.Seq, s.Name)}
		}
		if s.Name == p.Stream && t.stored == 0 {
			continue // what comes there first belongs there
		}
		other, err := t.news(ctx, s, p.Subject)
		if err != nil {
			return err
		}
		switch {
		case other == nil || other.Copy || s.Mirror:
		case s.Name == p.Stream:
			return &astrayError{fmt.Sprintf("it is stored twice: as message %d of stream %s too", other.Seq, s.Name)}
		default:
			return &astrayError{fmt.Sprintf("it is stored as message %d of stream %s, and belongs in %s alone", other.Seq, s.Name, p.Stream)}
		}
	}
	return nil
}

// news is like find, and asks only for streams that have grown.
func (t *trace) news(ctx context.Context, s driver.Stream, subject string) (*driver.Message, error) {
	if s.Last <= max(t.after[s.Name], t.looked[[2]string{s.Name, subject}]) {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	return t.find(ctx, s.Name, subject)
}

// found notes where the message is in its own stream: another one after it is
// one too many.
func (t *trace) found(m *driver.Message) {
	t.stored = m.Seq
	t.looked[[2]string{m.Stream, m.Subject}] = m.Seq
}
