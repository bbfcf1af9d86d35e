package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type connParams struct {
	Socket  string        `param:"socket,required" doc:"Where its runtime API answers: the path of a Unix socket that haproxy.cfg names under stats socket, or a host:port of the loopback."`
	Timeout time.Duration `param:"timeout" doc:"How long a command may take." default:"5s"`
}

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	if strings.Contains(p.Socket, "${") || filepath.IsAbs(p.Socket) {
		return nil
	}
	if host, _, err := net.SplitHostPort(p.Socket); err == nil {
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return nil
		}
		return &runbook.FieldError{Field: "socket", Problem: "the runtime API has no password, and " + host + " is not the loopback", Remedy: "let HAProxy listen on a Unix socket, or on 127.0.0.1"}
	}
	return &runbook.FieldError{Field: "socket", Problem: "that is no address of a runtime API", Remedy: "write an absolute path such as /run/haproxy/admin.sock, or 127.0.0.1:9999"}
}

// Conn is a connection to one HAProxy.
type Conn struct {
	network, addr string
	host          string
	timeout       time.Duration
}

func connection() driver.Part {
	return driver.Connects(driver.About{
		Name: kind, Doc: "A HAProxy, by its runtime API.",
	}, func(_ context.Context, p connParams) (*Conn, error) { return open(p) })
}

// open does not connect.
func open(p connParams) (*Conn, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("haproxy: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	c := &Conn{network: "tcp", addr: p.Socket, host: host, timeout: p.Timeout}
	if filepath.IsAbs(p.Socket) {
		c.network = "unix"
		if real, err := filepath.EvalSymlinks(p.Socket); err == nil {
			c.addr = real
		}
	}
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	return c, nil
}

// Close has nothing to release.
func (c *Conn) Close() error { return nil }

// String is the HAProxy for people.
func (c *Conn) String() string { return "haproxy at " + c.addr }

// maxAnswer bounds an answer: show stat of a large edge has some megabytes.
const maxAnswer = 64 << 20

// ask puts one command to the runtime API.
func (c *Conn) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.network, c.addr)
	if err != nil {
		return "", c.unreached(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", c.unreached(err)
	}
	raw, err := io.ReadAll(io.LimitReader(conn, maxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s: no answer to %q within %s: %w", c, command, c.timeout, ctx.Err())
	case err != nil:
		return "", c.unreached(err)
	case len(raw) > maxAnswer:
		return "", fmt.Errorf("%s: the answer to %q has more than %d bytes", c, command, maxAnswer)
	}
	answer := strings.TrimSpace(string(raw))
	if strings.HasPrefix(answer, "Permission denied") {
		return "", &driver.Refusal{System: c.String(), Reason: fmt.Sprintf("it may not be asked %q", command), Remedy: "give its stats socket a higher level, in the global section of haproxy.cfg"}
	}
	return answer, nil
}

// unreached says what may be behind an API that does not answer.
func (c *Conn) unreached(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s does not answer: %w; is HAProxy running, and does its haproxy.cfg say `stats socket %s mode 600`?", c, err, c.addr)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w; run Segue as a user who may write to the socket", c, err)
	}
	return fmt.Errorf("%s: its runtime API: %w", c, err)
}
