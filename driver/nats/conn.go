package nats

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// Conn is a connection to a NATS cluster as a user of one account, and, if
// the runbook names one, a second connection as its system account.
type Conn struct {
	nc      *nats.Conn
	sys     *nats.Conn // nil without a system account
	cluster string
	account string
	user    *url.Userinfo // what the URL says of the user, for more connections; nil if nothing

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

func open(ctx context.Context, p connParams) (*Conn, error) {
	c := &Conn{lost: make(chan struct{})}
	var err error
	if c.nc, err = p.dial(ctx, false, nats.DisconnectErrHandler(func(*nats.Conn, error) { c.lose() })); err != nil {
		return nil, err
	}
	if u, err := url.Parse(strings.TrimSpace(strings.Split(p.URL, ",")[0])); err == nil {
		c.user = u.User
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
	if err := c.ask(ctx, "$SYS.REQ.USER.INFO", nil, &who); err != nil {
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

func (c *Conn) streamID(stream string) string {
	return strings.Join([]string{kind + ":" + c.cluster, c.account, "stream", stream}, "/")
}

func (c *Conn) consumerID(stream, consumer string) string {
	return c.streamID(stream) + "/consumer/" + consumer
}
