package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// fence asks who owns a concrete subject: a publish that expects an
// impossible last sequence is refused by the owner, who names itself and its
// exact last sequence. Nothing is stored; core subscribers on the subject see
// the message. owner is "" if nobody answers.
func (c *Conn) fence(ctx context.Context, subject string) (owner string, last uint64, err error) {
	m := nats.NewMsg(subject)
	m.Header.Set(nats.ExpectedLastSeqHdr, "18446744073709551615")
	m.Header.Set("Segue-Fence", "1")
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer within %s", callTimeout))
	defer cancel()
	for {
		reply, err := c.askOnce(ctx, m)
		if errors.Is(err, nats.ErrNoResponders) {
			return "", 0, nil
		}
		if ctx.Err() != nil {
			return "", 0, fmt.Errorf("%s: ask who owns %s: %w", c, subject, errors.Join(context.Cause(ctx), err))
		}
		if err == nil {
			if owner, last, ok := refusal(reply.Data); ok {
				return owner, last, nil
			}
			return "", 0, fmt.Errorf("%s: ask who owns %s: it is no stream that answers: %.200q", c, subject, reply.Data)
		}
		if waitErr := sleep(ctx, again); waitErr != nil {
			return "", 0, fmt.Errorf("%s: ask who owns %s: %w", c, subject, errors.Join(waitErr, err))
		}
	}
}

func (c *Conn) askOnce(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return c.nc.RequestMsgWithContext(ctx, m)
}

// refusal reads "wrong last sequence: 17" and who says so.
func refusal(data []byte) (owner string, last uint64, ok bool) {
	var ack struct {
		Stream string      `json:"stream"`
		Error  *replyError `json:"error"`
	}
	if json.Unmarshal(data, &ack) != nil || ack.Error == nil || ack.Error.ErrCode != errWrongLast {
		return "", 0, false
	}
	_, n, found := strings.Cut(ack.Error.Description, "wrong last sequence: ")
	last, err := strconv.ParseUint(n, 10, 64)
	return ack.Stream, last, found && err == nil && ack.Stream != ""
}

// expectOwner fails unless stream, and nobody else, owns what pattern takes.
func (c *Conn) expectOwner(ctx context.Context, pattern, stream string) error {
	var seen string
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	err := await(ctx, func() (bool, error) {
		owner, _, err := c.fence(ctx, concrete(pattern))
		if err == nil {
			seen = owner
		}
		return owner == stream, err
	})
	if err != nil && seen != stream {
		return fmt.Errorf("%s: %s should be answered by %s, and is by %s: %w", c, pattern, whom(stream), whom(seen), err)
	}
	return err
}

func whom(stream string) string {
	if stream == "" {
		return "nobody"
	}
	return "stream " + stream
}
