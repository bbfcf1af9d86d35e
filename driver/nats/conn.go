package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver"
)

// Conn is a connection to a NATS cluster as a user of one account, and, if
// the runbook names one, a second connection as its system account.
type Conn struct {
	nc      *nats.Conn
	sys     *nats.Conn // nil without a system account
	cluster string
	account string

	mu   sync.Mutex
	lost chan struct{} // closed when nc loses its server
}

type connParams struct {
	URL    string `param:"url,required" doc:"server URLs, separated by commas; credentials may be in them"`
	Creds  string `param:"creds" doc:"path of a .creds file"`
	System string `param:"system" doc:"a user of the system account: user:password, or the path of a .creds file; nats.healthy counts nodes with it"`
	CA     string `param:"ca" doc:"path of the CA certificate that signs the servers'"`
	Cert   string `param:"cert" doc:"path of the client's certificate"`
	Key    string `param:"key" doc:"path of the client's key"`
	Name   string `param:"name" doc:"what the servers list this connection as" default:"segue"`
}

func open(ctx context.Context, p connParams) (driver.Conn, error) {
	c := &Conn{lost: make(chan struct{})}
	var err error
	if c.nc, err = p.dial(ctx, false, nats.DisconnectErrHandler(func(*nats.Conn, error) { c.lose() })); err != nil {
		return nil, err
	}
	if p.System != "" {
		if c.sys, err = p.dial(ctx, true); err != nil {
			c.nc.Close()
			return nil, fmt.Errorf("system account: %w", err)
		}
	}
	if err := c.identify(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the connection; the cluster stays as it is.
func (c *Conn) Close() error {
	c.nc.Close()
	if c.sys != nil {
		c.sys.Close()
	}
	return nil
}

// identify learns which cluster and which account this is.
func (c *Conn) identify(ctx context.Context) error {
	c.cluster = c.nc.ConnectedClusterName()
	if c.cluster == "" {
		c.cluster = c.nc.ConnectedServerName()
	}
	var who struct {
		Data struct {
			Account string `json:"account"`
		} `json:"data"`
	}
	if err := c.call(ctx, read, "$SYS.REQ.USER.INFO", nil, &who); err != nil {
		return fmt.Errorf("ask which account this user is of (it must be allowed to publish to $SYS.REQ.USER.INFO): %w", err)
	}
	c.account = who.Data.Account
	return nil
}

func (c *Conn) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.lost)
	c.lost = make(chan struct{})
}

// losing is closed when the server that is now connected is lost.
func (c *Conn) losing() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// String names the live system for people: the cluster, and the server that
// this connection is with.
func (c *Conn) String() string {
	s := "nats cluster " + c.cluster
	if at := c.nc.ConnectedAddr(); at != "" {
		return s + " (" + at + ")"
	}
	return s + " (not connected)"
}

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
	errWrongLast       = 10071
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
	return hasCode(err, errMeta) || hasCode(err, errNotLeader) || hasCode(err, errStreamOffline) || hasCode(err, errConsumerOffline)
}

const (
	callTimeout = 10 * time.Second       // for one call with all its attempts, unless ctx ends earlier
	attempt     = 2 * time.Second        // for one attempt
	again       = 25 * time.Millisecond  // between attempts and between looks at what is awaited
	grace       = 100 * time.Millisecond // for what must still be done after ctx was cancelled
)

// read asks nothing before an attempt; a write gives Effect.Mine.
func read() error { return nil }

// call puts one request to the server and decodes the reply. What it asks for
// must be safe to ask twice: silence, a lost connection and a server without
// a leader are answered by another attempt, each allowed by mine.
func (c *Conn) call(ctx context.Context, mine func() error, subject string, req, reply any) error {
	body, err := encode(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer within %s", callTimeout))
	defer cancel()
	var last error
	for {
		if err := mine(); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
		err := c.once(ctx, subject, body, reply)
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
func (c *Conn) once(ctx context.Context, subject string, body []byte, reply any) error {
	lost := c.losing()
	ctx, cancel := context.WithTimeout(ctx, attempt)
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

// await looks until look says done, or ctx ends.
func await(ctx context.Context, look func() (done bool, err error)) error {
	tick := time.NewTicker(again)
	defer tick.Stop()
	for {
		done, err := look()
		if done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Conn) streamID(stream string) string {
	return strings.Join([]string{kind + ":" + c.cluster, c.account, "stream", stream}, "/")
}

func (c *Conn) consumerID(stream, consumer string) string {
	return c.streamID(stream) + "/consumer/" + consumer
}
