package nats

import (
	"context"
	"fmt"
	"strings"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

// streamCheck compares a stream with what is expected of it: any settings
// that the action nats.stream knows, and how many messages it holds.
type streamCheck struct {
	a *streamAction
	p streamCheckParams
}

type streamCheckParams struct {
	On string `param:"on,required,connection"`
	streamParams
	Messages *int64 `param:"messages" doc:"exactly so many"`
	AtLeast  *int64 `param:"messages-at-least"`
	AtMost   *int64 `param:"messages-at-most"`
}

func newStreamCheck(ctx context.Context, c *Conn, p streamCheckParams) (driver.Check, error) {
	a, err := newStream(ctx, c, streamActionParams{p.On, p.streamParams})
	if err != nil {
		return nil, err
	}
	return &streamCheck{a.(*streamAction), p}, nil //nolint:forcetypeassert // newStream makes nothing else
}

func (s *streamCheck) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	info, err := s.a.c.stream(ctx, s.p.Name)
	if err != nil {
		return sourced(evidence.Unsure(err.Error()), s.a.c, "STREAM.INFO of "+s.p.Name)
	}
	if info == nil {
		return sourced(evidence.Failed("no stream "+s.p.Name, "it exists", "there is no stream "+s.p.Name), s.a.c, "STREAM.INFO of "+s.p.Name)
	}
	wrong := unlike(s.a.fields, s.a.seen(info)[s.a.id])
	n := int64(info.State.Messages) //nolint:gosec // a count
	for _, bound := range []struct {
		at   *int64
		word string
		ok   func(int64) bool
	}{
		{s.p.Messages, "exactly", func(b int64) bool { return n == b }},
		{s.p.AtLeast, "at least", func(b int64) bool { return n >= b }},
		{s.p.AtMost, "at most", func(b int64) bool { return n <= b }},
	} {
		if bound.at != nil && !bound.ok(*bound.at) {
			wrong = append(wrong, fmt.Sprintf("messages: %d, expected %s %d", n, bound.word, *bound.at))
		}
	}
	return sourced(asExpected(fmt.Sprintf("stream %s, %d messages", s.p.Name, n), wrong), s.a.c, "STREAM.INFO of "+s.p.Name)
}

// consumerCheck compares a consumer with what is expected of it.
type consumerCheck struct {
	a *consumerAction
	p consumerCheckParams
}

type consumerCheckParams struct {
	On string `param:"on,required,connection"`
	consumerParams
	Pending *int64 `param:"pending" doc:"exactly so many messages to deliver; none is, while it is paused and its stream owns none of its subjects"`
}

func newConsumerCheck(ctx context.Context, c *Conn, p consumerCheckParams) (driver.Check, error) {
	a, err := newConsumer(ctx, c, consumerActionParams{p.On, p.consumerParams})
	if err != nil {
		return nil, err
	}
	return &consumerCheck{a.(*consumerAction), p}, nil //nolint:forcetypeassert // newConsumer makes nothing else
}

func (k *consumerCheck) Read(ctx context.Context) evidence.Reading {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	query := "CONSUMER.INFO of " + k.p.Stream + " " + k.p.Name
	info, err := k.a.c.consumer(ctx, k.p.Stream, k.p.Name)
	if err != nil {
		return sourced(evidence.Unsure(err.Error()), k.a.c, query)
	}
	if info == nil {
		why := fmt.Sprintf("there is no consumer %s on stream %s", k.p.Name, k.p.Stream)
		return sourced(evidence.Failed("no consumer "+k.p.Name, "it exists", why), k.a.c, query)
	}
	wrong := unlike(k.a.fields, k.a.seen(info)[k.a.id])
	value := fmt.Sprintf("consumer %s of stream %s, %s", k.p.Name, k.p.Stream, info.left())
	if k.p.Pending != nil {
		pending := int64(info.Pending) //nolint:gosec // a count
		dormant, err := k.a.c.dormant(ctx, k.p.Stream, info)
		switch {
		case err != nil:
			return sourced(evidence.Unsure(err.Error()), k.a.c, query)
		case dormant && pending > 0:
			value += ", but it is paused and its stream owns none of its subjects"
			pending = 0
		}
		if pending != *k.p.Pending {
			wrong = append(wrong, fmt.Sprintf("pending: %d, expected %d", pending, *k.p.Pending))
		}
	}
	return sourced(asExpected(value, wrong), k.a.c, query)
}

// unlike lists the expected fields that are otherwise.
func unlike(expected, found state.Fields) []string {
	var out []string
	for _, ch := range state.Diff(state.Face{"": expected}, state.Face{"": found}) {
		if ch.From != nil {
			out = append(out, fmt.Sprintf("%s: %s, expected %s", ch.Field, state.Text(ch.To), state.Text(ch.From)))
		}
	}
	return out
}

func asExpected(value string, wrong []string) evidence.Reading {
	if len(wrong) > 0 {
		return evidence.Failed(value, "as expected", strings.Join(wrong, "; "))
	}
	return evidence.Passed(value, "as expected")
}

func sourced(r evidence.Reading, c *Conn, query string) evidence.Reading {
	r.Source, r.Query = c.String(), query
	return r
}
