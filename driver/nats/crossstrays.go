package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver/nats/relay"
)

// strays are messages in the taker that were carried to it before it could not
// be attached.
func (x *crossing) strays(ctx context.Context, l *leg) ([]relay.Stored, error) {
	last, err := x.last(ctx, x.taker)
	if err != nil {
		return nil, err
	}
	return x.straysIn(ctx, stretch{l.Before + 1, last})
}

func (x *crossing) straysIn(ctx context.Context, s stretch) ([]relay.Stored, error) {
	have, err := tail(ctx, x.c.nc, x.taker, x.space, s.First, s.Last)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.c, err)
	}
	return slices.DeleteFunc(have, func(m relay.Stored) bool { return m.Source != "" }), nil
}

// returnStrays publishes them to the giver, which must own the space again, and
// takes them away from the taker: they were acknowledged. Their place in the
// order is lost.
func (x *crossing) returnStrays(ctx context.Context, strays []relay.Stored) error {
	for _, m := range strays {
		if err := x.mine(); err != nil {
			return err
		}
		reply, err := x.c.askOnce(ctx, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err == nil {
			err = refusedIn(reply.Data)
		}
		if err != nil {
			return fmt.Errorf("%s: publish message %d of stream %s to stream %s again: %w", x.c, m.Seq, x.taker, x.giver, err)
		}
		if err := x.c.deleteMessage(ctx, x.mine, x.taker, m.Seq); err != nil {
			return err
		}
	}
	return nil
}

// refusedIn is the refusal in the answer to a publish; nil if it was stored.
func refusedIn(data []byte) error {
	var ack struct {
		Seq   uint64      `json:"seq"`
		Error *replyError `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return err
	}
	if ack.Error != nil {
		return ack.Error
	}
	if ack.Seq == 0 {
		return errors.New("it is no stream that answers")
	}
	return nil
}
