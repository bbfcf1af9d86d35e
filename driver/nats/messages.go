package nats

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver"
)

// Conn is a store of messages to actions of other systems.
var (
	_ driver.MessageStore = (*Conn)(nil)
	_ driver.Acknowledger = (*Conn)(nil)
)

// StreamID implements driver.MessageStore.
func (c *Conn) StreamID(stream string) string { return c.streamID(stream) }

// Streams implements driver.MessageStore.
func (c *Conn) Streams(ctx context.Context) ([]driver.Stream, error) {
	all, missing, err := c.streams(ctx)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: no answer about the streams %s: have they a leader?", c, strings.Join(missing, ", "))
	}
	out := make([]driver.Stream, len(all))
	for i, s := range all {
		mirror := s.Config["mirror"]
		out[i] = driver.Stream{Name: s.name(), Last: s.State.LastSeq, Mirror: len(mirror) > 0 && string(mirror) != "null"}
	}
	return out, nil
}

// Latest implements driver.MessageStore.
func (c *Conn) Latest(ctx context.Context, stream, subject string) (*driver.Message, error) {
	return c.stored(ctx, stream, map[string]any{"last_by_subj": subject})
}

// Find implements driver.MessageStore.
func (c *Conn) Find(ctx context.Context, stream, subject string, after uint64, mark string) (*driver.Message, uint64, error) {
	info, err := c.stream(ctx, stream)
	if err != nil || info == nil || info.State.LastSeq <= after {
		return nil, after, err
	}
	first, err := c.stored(ctx, stream, map[string]any{"seq": after + 1, "next_by_subj": subject})
	switch {
	case err != nil:
		return nil, after, err
	case first == nil:
		return nil, info.State.LastSeq, nil
	case first.Carries(mark):
		return first, first.Seq, nil
	}
	m, looked, err := c.read(ctx, stream, subject, first.Seq, info.State.LastSeq, mark)
	if errors.Is(err, errNotItsSubject) {
		return c.scan(ctx, stream, subject, first.Seq, info.State.LastSeq, mark)
	}
	return m, looked, err
}

// errNotItsSubject: a stream takes no consumer for a subject that it no longer
// owns, even while it has messages of it (nats-server 2.15.2).
var errNotItsSubject = errors.New("the stream does not own the subject")

// quietFor is how long a consumer may be silent before it is taken for one
// whose next message is gone.
const quietFor = time.Second

// read looks at the messages of a subject after one sequence and up to another
// as an ordered consumer, which keeps up with a stream of any rate. It may stop
// before that, and says where.
func (c *Conn) read(ctx context.Context, stream, subject string, after, until uint64, mark string) (*driver.Message, uint64, error) {
	js, err := c.nc.JetStream()
	if err != nil {
		return nil, after, fmt.Errorf("%s: %w", c, err)
	}
	sub, err := js.SubscribeSync(subject, nats.BindStream(stream), nats.OrderedConsumer(), nats.StartSequence(after+1), nats.Context(ctx))
	if err != nil {
		if api, ok := errors.AsType[*nats.APIError](err); ok && api.ErrorCode == errFilter {
			err = errNotItsSubject
		}
		return nil, after, fmt.Errorf("%s: read stream %s: %w", c, stream, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the server forgets it by itself too
	if pending, err := sub.InitialConsumerPending(); err == nil && pending == 0 {
		return nil, max(after, until), nil
	}
	for after < until {
		waiting, cancel := context.WithTimeout(ctx, quietFor)
		m, err := sub.NextMsgWithContext(waiting)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
			return nil, after, nil
		case err != nil:
			return nil, after, fmt.Errorf("%s: read stream %s: %w", c, stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, after, fmt.Errorf("%s: read stream %s: %w", c, stream, err)
		}
		after = meta.Sequence.Stream
		found := &driver.Message{Stream: stream, Subject: m.Subject, Seq: after, Copy: m.Header.Get(sourceHeader) != "", Header: headerBytes(m), Data: m.Data}
		if found.Carries(mark) {
			return found, after, nil
		}
		if meta.NumPending == 0 {
			return nil, max(after, until), nil
		}
	}
	return nil, after, nil
}

func headerBytes(m *nats.Msg) []byte {
	var b bytes.Buffer
	_ = http.Header(m.Header).Write(&b) // a buffer takes everything
	return b.Bytes()
}

// scan looks at them one by one.
func (c *Conn) scan(ctx context.Context, stream, subject string, after, until uint64, mark string) (*driver.Message, uint64, error) {
	for after < until {
		m, err := c.stored(ctx, stream, map[string]any{"seq": after + 1, "next_by_subj": subject})
		if err != nil {
			return nil, after, err
		}
		if m == nil {
			return nil, until, nil
		}
		if after = m.Seq; m.Carries(mark) {
			return m, after, nil
		}
	}
	return nil, after, nil
}

// sourceHeader is in what a stream has taken over from another.
const sourceHeader = "Nats-Stream-Source"

func (c *Conn) stored(ctx context.Context, stream string, req map[string]any) (*driver.Message, error) {
	m, err := c.message(ctx, stream, req)
	if hasCode(err, errNoStream) || err == nil && m == nil {
		return nil, nil //nolint:nilnil // absence is an answer
	}
	if err != nil {
		return nil, err
	}
	return &driver.Message{
		Stream: stream, Subject: m.Subject, Seq: m.Seq, Copy: m.header(sourceHeader) != "",
		Header: []byte(m.Header), Data: m.Data,
	}, nil
}

// DeleteMessage implements driver.MessageStore.
func (c *Conn) DeleteMessage(ctx context.Context, mine func() error, stream string, seq uint64) error {
	err := c.deleteMessage(ctx, mine, stream, seq)
	if hasCode(err, errNoStream) {
		return nil
	}
	return err
}

// Acknowledged implements driver.Acknowledger.
func (c *Conn) Acknowledged(ctx context.Context, stream, consumer string, seq uint64) (done bool, left string, err error) {
	info, err := c.consumer(ctx, stream, consumer)
	if err != nil {
		return false, "", err
	}
	if info == nil {
		return false, "there is no such consumer", nil
	}
	return info.AckFloor.Stream >= seq || info.drained() && info.Delivered.Stream >= seq, info.left(), nil
}
