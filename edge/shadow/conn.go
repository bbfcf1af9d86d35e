package shadow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/edge/tee"
	"github.com/segue-run/segue/runbook"
)

// kind is the connection's name.
const kind = "tee"

type connParams struct {
	Status string `param:"status,required" doc:"Where segue tee tells how it stands (its --status): 127.0.0.1:8997."`
}

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	if strings.Contains(p.Status, "${") {
		return nil // only known when it is opened
	}
	host, port, err := net.SplitHostPort(p.Status)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() || port == "" {
		return &runbook.FieldError{Field: "status", Problem: fmt.Sprintf("%q is no port of the loopback", p.Status), Remedy: "write what segue tee has as --status: 127.0.0.1:8997"}
	}
	return nil
}

// Conn is a segue tee.
type Conn struct {
	at     string // host:port
	client *http.Client
}

func connection() driver.Part {
	return driver.Connects(driver.About{Name: kind, Doc: "A segue tee, which replays copies of live requests to another system."},
		func(_ context.Context, p connParams) (*Conn, error) { return newConn(p) })
}

func newConn(p connParams) (*Conn, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("tee: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return &Conn{p.Status, &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// Close ends idle connections.
func (c *Conn) Close() error { c.client.CloseIdleConnections(); return nil }

// String is the tee for people.
func (c *Conn) String() string { return "segue tee " + c.at }

func (c *Conn) counts(ctx context.Context) (out tee.Counts, err error) {
	return out, c.call(ctx, http.MethodGet, "/status", nil, &out)
}

func (c *Conn) compared(ctx context.Context) (out tee.Compared, err error) {
	return out, c.call(ctx, http.MethodGet, "/compare", nil, &out)
}

// compare has it compare from now on; the zero value ends it.
func (c *Conn) compare(ctx context.Context, is tee.Comparison) error {
	if is.Sample == 0 {
		return c.call(ctx, http.MethodDelete, "/compare", nil, nil)
	}
	return c.call(ctx, http.MethodPut, "/compare", is, nil)
}

func (c *Conn) call(ctx context.Context, method, path string, send, into any) error {
	var body bytes.Buffer
	if send != nil {
		if err := json.NewEncoder(&body).Encode(send); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.at+path, &body)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok {
			err = wrong.Err
		}
		return fmt.Errorf("%s does not answer: %w", c, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", c, path, err)
	case resp.StatusCode >= 300:
		return fmt.Errorf("%s refuses %s: %s", c, path, strings.TrimSpace(string(text)))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: it says what is no answer of a tee: %w", c, path, err)
	}
	return nil
}
