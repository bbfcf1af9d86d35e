package nats

import (
	"context"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/nats/relay"
)

const (
	// listening is how long the preflight listens to publishers.
	listening = 300 * time.Millisecond
	// sample is how many stored messages it looks at.
	sample = 500
)

// preflight looks at what is published, before anything is changed, and refuses
// where it would not be safe. What it sees, and what cannot be promised, is
// journaled.
func (h *handover) preflight(ctx context.Context, v *voyage) error {
	x := h.forward(read)
	giver, _, err := x.look(ctx)
	if err != nil {
		return err
	}
	for _, stream := range []string{h.p.From, h.p.To} {
		if err := x.current(ctx, stream); err != nil {
			return fmt.Errorf("%s: nothing was touched: %w", h.c, err)
		}
	}
	first := giver.State.LastSeq + 1 - min(giver.State.LastSeq, sample)
	stored, err := tail(ctx, h.c.nc, h.p.From, h.moving, first, giver.State.LastSeq)
	if err != nil {
		return fmt.Errorf("%s: %w", h.c, err)
	}
	for _, m := range stored {
		if name := expects(m.Header); name != "" {
			return &driver.Refusal{
				System: h.c.String(),
				Reason: fmt.Sprintf("message %d on %s of stream %s was published with %s: on another stream such publishes are refused (10060, 10070, 10071)", m.Seq, m.Subject, h.p.From, name),
				Remedy: "publishers that expect nothing of the stream",
			}
		}
	}
	seen, err := h.listen(ctx)
	if err != nil {
		return err
	}
	v.Seen = seen.say(stored)
	v.Cannot = seen.cannot()
	return nil
}

// expects is the header by which a publisher expects something of the stream.
func expects(header nats.Header) string {
	for name := range header {
		if strings.HasPrefix(textproto.CanonicalMIMEHeaderKey(name), "Nats-Expected-") {
			return name
		}
	}
	return ""
}

// traffic is what was heard for a moment.
type traffic struct {
	acked, forgotten, bytes int
	during                  time.Duration
}

// listen counts what is published. It also finds out whether this user may hear
// the subjects at all, publish to the relay's prefix, and change the streams.
func (h *handover) listen(ctx context.Context) (*traffic, error) {
	in := make(chan *nats.Msg, 1<<16)
	nc, err := h.c.connectTo(ctx, h.c.nc.ConnectedServerName())
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	denied := make(chan error, 10)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case denied <- err:
		default:
		}
	})
	for _, s := range h.moving {
		if _, err := nc.ChanSubscribe(s, in); err != nil {
			return nil, fmt.Errorf("%s: hear %s: %w", h.c, s, err)
		}
	}
	may := nats.NewMsg(h.forward(read).prefix() + ".may-i") // such that nobody would store it
	may.Header.Set(nats.ExpectedLastSeqHdr, "18446744073709551615")
	asked := []*nats.Msg{may}
	for _, subject := range []string{"$JS.API.STREAM.UPDATE." + h.p.From, "$JS.API.STREAM.UPDATE." + h.p.To, "$JS.API.STREAM.MSG.DELETE." + h.p.To} {
		asked = append(asked, &nats.Msg{Subject: subject, Data: []byte("may I?")}) // no request
	}
	for _, m := range asked {
		if err := nc.PublishMsg(m); err != nil {
			return nil, fmt.Errorf("%s: %w", h.c, err)
		}
	}
	if err := nc.FlushTimeout(attempt); err != nil {
		return nil, fmt.Errorf("%s: %w", h.c, err)
	}
	if err := sleep(ctx, listening); err != nil {
		return nil, err
	}
	select {
	case err := <-denied:
		return nil, &driver.Refusal{
			System: h.c.String(), Reason: "this user may not do what a relay does: " + err.Error(),
			Remedy: fmt.Sprintf("a user that may subscribe to %s, and publish to _segue.> and $JS.API.>", quoted(h.moving)),
		}
	default:
	}
	t := &traffic{during: listening}
	for range len(in) {
		m := <-in
		switch {
		case m.Header.Get(relay.ProbeHeader) != "":
			continue
		case m.Reply == "":
			t.forgotten++
		default:
			t.acked++
		}
		t.bytes += len(m.Data)
	}
	return t, nil
}

func (t *traffic) say(stored []relay.Stored) []string {
	ids := 0
	for _, m := range stored {
		if m.Header.Get(nats.MsgIdHdr) != "" {
			ids++
		}
	}
	per := func(n int) float64 { return float64(n) / t.during.Seconds() }
	return []string{
		fmt.Sprintf("%.0f messages a second wait for an acknowledgement, %.0f do not, %.0f bytes a second", per(t.acked), per(t.forgotten), per(t.bytes)),
		fmt.Sprintf("%d of the last %d stored have a Nats-Msg-Id", ids, len(stored)),
		"publishers wait for 15 to 40 ms when the subjects change hands, and now and then for up to 100 ms while history is copied",
	}
}

func (t *traffic) cannot() []string {
	out := []string{
		"the original times of copied messages: max-age begins anew for them",
		"a Nats-Msg-Id that was used before the handover is not known to the new stream",
		"an acknowledgement names another stream and another sequence than before",
	}
	if t.forgotten > 0 {
		out = append(out,
			"the order of messages of one publisher that waits for no acknowledgement, when they follow each other faster than a round trip",
			"messages that nobody waits for, if this process dies in the few milliseconds in which no stream owns the subjects")
	}
	return out
}
