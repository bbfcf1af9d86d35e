package nats

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver/nats/relay"
)

const (
	// flight is how many questions for a message are under way at once while
	// nobody owns a space: one after the other they would take longer than a
	// handover's cut may.
	flight = 512
	// trickle is how many otherwise: each of more would make publishers wait
	// behind it.
	trickle = 128
)

// tail reads the messages of a stream from first to last, of all sequences
// there are, from its leader: a follower may not have the newest ones. nc must
// be with a server of the cluster; with the leader's it is fastest. Messages on
// other subjects than space, and such as are gone, are left out.
func tail(ctx context.Context, nc *nats.Conn, stream string, space []string, first, last uint64) ([]relay.Stored, error) {
	return tailBy(ctx, nc, stream, space, first, last, trickle)
}

// tailBy is tail with so many questions at once.
func tailBy(ctx context.Context, nc *nats.Conn, stream string, space []string, first, last, atOnce uint64) ([]relay.Stored, error) {
	var out []relay.Stored
	for from := max(first, 1); from <= last; from += atOnce {
		some, err := page(ctx, nc, stream, from, min(last, from+atOnce-1))
		if err != nil {
			return nil, fmt.Errorf("read messages %d to %d of stream %s: %w", first, last, stream, err)
		}
		for _, m := range some {
			if m != nil && within(space, m.Subject) {
				out = append(out, *m)
			}
		}
	}
	return out, nil
}

// within reports whether a subject is in a space.
func within(space []string, subject string) bool {
	for _, s := range space {
		if covers(s, subject) {
			return true
		}
	}
	return false
}

// page reads a few messages at once; nil for one that is gone.
func page(ctx context.Context, nc *nats.Conn, stream string, first, last uint64) ([]*relay.Stored, error) {
	out := make([]*relay.Stored, last-first+1)
	inbox := nc.NewInbox()
	answers := make(chan *nats.Msg, 4*len(out))
	sub, err := nc.ChanSubscribe(inbox+".*", answers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	left := map[uint64]bool{}
	for seq := first; seq <= last; seq++ {
		left[seq] = true
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer within %s", callTimeout))
	defer cancel()
	for len(left) > 0 {
		for seq := range left {
			m := &nats.Msg{Subject: "$JS.API.STREAM.MSG.GET." + stream, Reply: inbox + "." + strconv.FormatUint(seq, 10), Data: compact(map[string]uint64{"seq": seq})}
			if err := nc.PublishMsg(m); err != nil {
				return nil, err
			}
		}
		patience := time.NewTimer(firstAsk)
		for waiting := true; waiting && len(left) > 0; {
			select {
			case m := <-answers:
				seq, _ := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 10, 64)
				got, ok, err := storedIn(m)
				if err != nil {
					return nil, err
				}
				if ok && left[seq] {
					out[seq-first] = got
					delete(left, seq)
				}
			case <-patience.C: // a stream without a leader for a moment
				waiting = false
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		patience.Stop()
	}
	return out, nil
}

// storedIn reads the answer to a question for a message. ok is false when it
// is to be asked again.
func storedIn(m *nats.Msg) (got *relay.Stored, ok bool, err error) {
	if m.Header.Get("Status") == "503" {
		return nil, false, nil
	}
	var reply struct {
		Error   *replyError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Header  string `json:"hdrs"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return nil, false, err
	}
	switch {
	case reply.Error != nil && reply.Error.ErrCode == errNoMessage:
		return nil, true, nil
	case reply.Error != nil && passing(reply.Error):
		return nil, false, nil
	case reply.Error != nil:
		return nil, false, reply.Error
	}
	got = &relay.Stored{Subject: reply.Message.Subject, Seq: reply.Message.Seq, Data: reply.Message.Data}
	if reply.Message.Header != "" {
		raw, err := base64.StdEncoding.DecodeString(reply.Message.Header)
		if err != nil {
			return nil, false, err
		}
		if got.Header, err = nats.DecodeHeadersMsg(raw); err != nil {
			return nil, false, err
		}
	}
	got.Source, got.SourceSeq = sourceOf(got.Header.Get(sourceHeader))
	return got, true, nil
}

// sourceOf reads "<stream> <sequence> …".
func sourceOf(header string) (stream string, seq uint64) {
	f := strings.Fields(header)
	if len(f) < 2 {
		return "", 0
	}
	seq, _ = strconv.ParseUint(f[1], 10, 64)
	return f[0], seq
}
