package nats

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

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

const (
	// readers look at a stretch of a stream at the same time: one alone, that
	// waits for each answer, does not keep up with a busy stream.
	readers = 8
	// stretch is how many sequences a reader takes at once.
	stretch = 32
)

// Find implements driver.MessageStore.
func (c *Conn) Find(ctx context.Context, stream, subject string, after uint64, mark string) (*driver.Message, uint64, error) {
	info, err := c.stream(ctx, stream)
	if err != nil || info == nil {
		return nil, after, err
	}
	for last := info.State.LastSeq; after < last; after = min(after+readers*stretch, last) {
		var found [readers]*driver.Message
		group, looking := errgroup.WithContext(ctx)
		for i := range found {
			from := after + uint64(i)*stretch //nolint:gosec // a small number
			if until := min(from+stretch, last); from < until {
				group.Go(func() (err error) {
					found[i], err = c.scan(looking, stream, subject, from, until, mark)
					return err
				})
			}
		}
		if err := group.Wait(); err != nil {
			return nil, after, err
		}
		for _, m := range found {
			if m != nil {
				return m, m.Seq, nil
			}
		}
	}
	return nil, after, nil
}

// scan looks at the messages after one sequence and up to another.
func (c *Conn) scan(ctx context.Context, stream, subject string, after, until uint64, mark string) (*driver.Message, error) {
	for after < until {
		m, err := c.stored(ctx, stream, map[string]any{"seq": after + 1, "next_by_subj": subject})
		if m == nil || err != nil || m.Seq > until {
			return nil, err
		}
		if m.Carries(mark) {
			return m, nil
		}
		after = m.Seq
	}
	return nil, nil //nolint:nilnil // absence is an answer
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
