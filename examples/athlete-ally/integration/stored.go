package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// sendToOwner sends a message and wants it in the stream that owns its subject.
// In the moment of a move the owner changes: then one more is sent.
func (p *probe) sendToOwner(ctx context.Context, k kind, body func(id string) []byte) (m message, err error) {
	err = attempt(ctx, func(ctx context.Context) error {
		before, err := p.owner(ctx, k.subject)
		if err != nil {
			return err
		}
		if m, err = p.send(ctx, k, body); err != nil {
			return err
		}
		after, err := p.owner(ctx, k.subject)
		if err != nil {
			return err
		}
		if !slices.Contains([]string{before, after}, m.stream) {
			return fmt.Errorf("message %s was acknowledged by %q, while the owner of %s is %q", m.id, m.stream, k.subject, after)
		}
		return nil
	})
	return m, err
}

// asSent wants a message where its acknowledgement says, byte for byte.
func (p *probe) asSent(ctx context.Context, m message) error {
	return await(ctx, func(ctx context.Context) error {
		stream, err := p.js.Stream(ctx, m.stream)
		if err != nil {
			return fmt.Errorf("look into %s: %w", m.stream, err)
		}
		got, err := stream.GetMsg(ctx, m.seq)
		if err != nil {
			return fmt.Errorf("message %d of %s: %w", m.seq, m.stream, err)
		}
		received, timeErr := time.Parse(time.RFC3339Nano, got.Header.Get(event.HeaderReceivedAt))
		switch {
		case got.Subject != m.subject:
			return final("message %d of %s is on subject %s, want %s", m.seq, m.stream, got.Subject, m.subject)
		case !bytes.Equal(got.Data, m.body):
			return final("message %d of %s says %.200q, and %.200q was sent", m.seq, m.stream, got.Data, m.body)
		case got.Header.Get(nats.MsgIdHdr) != m.id:
			return final("message %d of %s has %s %q, want the request's id %q", m.seq, m.stream, nats.MsgIdHdr, got.Header.Get(nats.MsgIdHdr), m.id)
		case timeErr != nil || received.IsZero():
			return final("message %d of %s does not say when ingest got it: %s is %q", m.seq, m.stream, event.HeaderReceivedAt, got.Header.Get(event.HeaderReceivedAt))
		}
		return nil
	})
}

// headerSource is in what a stream has taken over from another: a standby has a
// copy of everything.
const headerSource = "Nats-Stream-Source"

// storedOnce wants no second copy of a message after its first.
func (p *probe) storedOnce(ctx context.Context, m message) error {
	streams, err := p.lastSequences(ctx)
	if err != nil {
		return err
	}
	for name, last := range streams {
		from := p.began[name] + 1
		if name == m.stream {
			from = m.seq + 1
		}
		var again uint64
		err := p.scan(ctx, name, from, last, func(seq uint64, h nats.Header) {
			if messageID(h) == m.id && h.Get(headerSource) == "" {
				again = seq
			}
		})
		if err != nil {
			return fmt.Errorf("look for message %s in %s: %w", m.id, name, err)
		}
		if again != 0 {
			return fmt.Errorf("message %s is stored twice: as %d of %s and as %d of %s", m.id, m.seq, m.stream, again, name)
		}
	}
	return nil
}

// find walks over one subject's messages of a stream, which should be few; nil if
// the id is not among them.
func (b *bench) find(ctx context.Context, name, subject, id string, from, last uint64) (*jetstream.RawStreamMsg, error) {
	if last < from {
		return nil, nil
	}
	stream, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", name, err)
	}
	for seq := from; seq <= last; {
		m, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look for message %s in %s: %w", id, name, err)
		}
		if messageID(m.Header) == id {
			return m, nil
		}
		seq = m.Sequence + 1
	}
	return nil, nil
}
