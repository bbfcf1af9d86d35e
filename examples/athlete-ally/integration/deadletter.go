package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/segue-run/segue/examples/athlete-ally/event"
)

// schemaInvalid goes around ingest, which would refuse it.
func schemaInvalid(ctx context.Context, p *probe) error {
	dlqSubject := event.PrefixDLQ + event.SubjectHRV
	owner, err := p.owner(ctx, dlqSubject)
	if err != nil {
		return err
	}
	id := p.name()
	body := reading(id, -42, nil)
	sent, err := p.publish(ctx, event.SubjectHRV, id, body)
	if err != nil {
		return err
	}
	if owner == "" {
		return p.keptOrCopied(ctx, sent, body)
	}
	return p.copied(ctx, owner, sent, body)
}

// publish sends straight to the bus.
func (p *probe) publish(ctx context.Context, subject, id string, body []byte) (place, error) {
	msg := nats.NewMsg(subject)
	msg.Data = body
	msg.Header.Set(nats.MsgIdHdr, id)
	ctx, done := toItsEnd(ctx)
	defer done()
	ack, err := p.publisher.Publish(ctx, msg)
	if err != nil {
		return place{}, err
	}
	at := place{subject, ack.Stream, ack.Sequence, id}
	p.stored(at)
	return at, nil
}

// keptOrCopied is for a topology without a home for dead letters: the message is
// given back, and lies where it was. One that gets a home meanwhile is copied.
func (p *probe) keptOrCopied(ctx context.Context, sent place, body []byte) error {
	return await(ctx, func(ctx context.Context) error {
		switch p.settled.of(sent) {
		case answeredNak:
		case answeredTerm:
			owner, err := p.owner(ctx, event.PrefixDLQ+sent.subject)
			if err != nil {
				return err
			}
			if owner == "" {
				return final("message %d of %s is given up, and no stream takes %s%s", sent.seq, sent.stream, event.PrefixDLQ, sent.subject)
			}
			return p.copied(ctx, owner, sent, body)
		case answeredAck:
			return final("message %d of %s breaks the schema and is acknowledged as processed", sent.seq, sent.stream)
		default:
			return fmt.Errorf("normalize has not answered to message %d of %s", sent.seq, sent.stream)
		}
		stream, err := p.js.Stream(ctx, sent.stream)
		if err != nil {
			return err
		}
		m, err := stream.GetMsg(ctx, sent.seq)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return final("message %d of %s was given back and is not kept", sent.seq, sent.stream)
		case err != nil:
			return err
		case !bytes.Equal(m.Data, body):
			return final("message %d of %s was kept, but says %.200q", sent.seq, sent.stream, m.Data)
		}
		return nil
	})
}

// copied wants the dead letter, with all its headers, and its original given up.
func (p *probe) copied(ctx context.Context, owner string, sent place, body []byte) error {
	return await(ctx, func(ctx context.Context) error {
		if answer := p.settled.of(sent); answer == answeredAck {
			return final("message %d of %s breaks the schema and is acknowledged as processed", sent.seq, sent.stream)
		} else if answer != answeredTerm {
			return fmt.Errorf("message %d of %s is not given up: normalize answered %q", sent.seq, sent.stream, answer)
		}
		last, err := p.lastSequences(ctx)
		if err != nil {
			return err
		}
		m, err := p.find(ctx, owner, event.PrefixDLQ+sent.subject, sent.id, p.began[owner]+1, last[owner])
		if err != nil {
			return err
		}
		if m == nil { // it is given up only when its copy is acknowledged
			return fmt.Errorf("message %d of %s is given up, and its copy is not in %s", sent.seq, sent.stream, owner)
		}
		p.stored(place{m.Subject, owner, m.Sequence, sent.id})
		if !bytes.Equal(m.Data, body) {
			return final("the dead letter says %.200q, and its original %.200q", m.Data, body)
		}
		for header, want := range map[string]string{
			event.HeaderDLQReason:   "schema_invalid",
			event.HeaderDLQSubject:  sent.subject,
			event.HeaderDLQStream:   sent.stream,
			event.HeaderDLQSequence: strconv.FormatUint(sent.seq, 10),
			event.HeaderDLQConsumer: event.DurableHRV,
		} {
			if got := m.Header.Get(header); got != want {
				return final("the dead letter has %s %q, want %q", header, got, want)
			}
		}
		for _, header := range []string{event.HeaderDLQError, event.HeaderDLQDeliveries, event.HeaderDLQTime} {
			if m.Header.Get(header) == "" {
				return final("the dead letter has no %s", header)
			}
		}
		return nil
	})
}
