package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// replyError is the JetStream API's refusal.
type replyError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *replyError) Error() string { return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode) }

// Codes of the JetStream API.
const (
	errMeta            = 10008 // no meta leader now
	errNotLeader       = 10009
	errNoConsumer      = 10014
	errNoMessage       = 10037
	errNoStream        = 10059
	errOverlap         = 10065
	errRestore         = 10062
	errWrongLast       = 10071
	errFilter          = 10093 // of a consumer, which its stream does not own
	errStreamOffline   = 10118
	errConsumerOffline = 10119
	errInvalidReset    = 10204
)

func hasCode(err error, code int) bool {
	e, ok := errors.AsType[*replyError](err)
	return ok && e.ErrCode == code
}

// passing: the server did nothing and will take the request soon.
func passing(err error) bool {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrDisconnected) {
		return true
	}
	// The end of a restore that was given up comes seconds later, as the answer
	// to whatever is asked of a stream of its name then.
	return hasCode(err, errRestore) || hasCode(err, errMeta) || hasCode(err, errNotLeader) || hasCode(err, errStreamOffline) || hasCode(err, errConsumerOffline)
}

const (
	callTimeout = 10 * time.Second        // for one request with all its attempts, unless ctx ends earlier
	attempt     = 2 * time.Second         // for one attempt
	firstAsk    = 250 * time.Millisecond  // for the first attempt of a question, and twice that for the second
	listAsk     = 4500 * time.Millisecond // for the third of a list: the server waits 4 s for leaders that do not answer
	again       = 20 * time.Millisecond   // between attempts
	rarely      = 100 * time.Millisecond  // between looks at what is long in coming
	grace       = 100 * time.Millisecond  // for what must still be done after ctx was cancelled
)

// ask puts a question, which changes nothing. Some stay unanswered, such as
// one about a consumer that is just being created: the first attempts are
// short.
func (c *Conn) ask(ctx context.Context, subject string, req, reply any) error {
	return c.send(ctx, read, []time.Duration{firstAsk, 2 * firstAsk, 4 * firstAsk, attempt}, subject, req, reply)
}

// askList asks for a list, which comes late when some leader does not answer:
// soon again, as that passes while something is being created, then patiently,
// to hear whose it is.
func (c *Conn) askList(ctx context.Context, subject string, req, reply any) error {
	return c.send(ctx, read, []time.Duration{firstAsk, 2 * firstAsk, listAsk}, subject, req, reply)
}

// tell makes a change that is safe to make twice. Effect.Mine is asked before
// each attempt.
func (c *Conn) tell(ctx context.Context, mine func() error, subject string, req, reply any) error {
	return c.send(ctx, mine, []time.Duration{attempt}, subject, req, reply)
}

// read is what a question asks instead of Effect.Mine.
func read() error { return nil }

// send puts one request to the server and decodes the reply. Silence, a lost
// connection and a server without a leader are answered by another attempt.
// patience is how long each one waits, the last for all that follow.
func (c *Conn) send(ctx context.Context, mine func() error, patience []time.Duration, subject string, req, reply any) error {
	body, err := encode(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer within %s", callTimeout))
	defer cancel()
	var last error
	for try := 0; ; try++ {
		if err := mine(); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		err := c.once(ctx, patience[min(try, len(patience)-1)], subject, body, reply)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", c, errors.Join(context.Cause(ctx), last))
		case !passing(err) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
			return fmt.Errorf("%s: %w", c, err)
		}
		last = err
		if err := sleep(ctx, again); err != nil {
			return fmt.Errorf("%s: %w", c, errors.Join(err, last))
		}
	}
}

// once is one attempt. It ends when the server that it went to is lost.
func (c *Conn) once(ctx context.Context, patience time.Duration, subject string, body []byte, reply any) error {
	lost := c.losing()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	m, err := c.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	var refused struct {
		Error *replyError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &refused); err != nil {
		return fmt.Errorf("reply to %s: %w", subject, err)
	}
	if refused.Error != nil {
		return refused.Error
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(m.Data, reply); err != nil {
		return fmt.Errorf("reply to %s: %w", subject, err)
	}
	return nil
}

func encode(req any) ([]byte, error) {
	if req == nil {
		return nil, nil
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	return body, nil
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// await looks until look says done, or ctx ends; often at first, then less so.
func await(ctx context.Context, look func() (done bool, err error)) error {
	for wait := 5 * time.Millisecond; ; wait = min(wait*3/2, rarely) {
		done, err := look()
		if done || err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
