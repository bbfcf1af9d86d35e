package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/segue-run/segue/secret"
)

type connParams struct {
	URL     string        `param:"url,required" doc:"Where it is: redis://user:password@host:port/database, rediss:// with TLS, or unix:///path/of/socket?db=0."`
	Timeout time.Duration `param:"timeout" doc:"How long an answer may take." default:"5s"`
}

// Conn is a connection to one database of one server.
type Conn struct {
	client  *redis.Client
	timeout time.Duration
	where   string // for people
	db      int
	secrets *secret.Redactor

	mu sync.Mutex
	id string // canonical, once it is known
}

func open(_ context.Context, p connParams) (*Conn, error) {
	if p.Timeout <= 0 {
		p.Timeout = 5 * time.Second
	}
	o, err := redis.ParseURL(p.URL)
	if err != nil {
		return nil, badURL(err)
	}
	o.ClientName, o.DisableIdentity = "segue", true
	o.ContextTimeoutEnabled = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.Timeout, p.Timeout, p.Timeout, p.Timeout
	o.MaxRetries, o.DialerRetries = 1, 1 // a connection that has died is made anew
	o.PoolSize = 4
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redis.SetLogger(&logging.VoidLogger{}) // it would write to our standard error; errors say it all
	c := &Conn{client: redis.NewClient(o), timeout: p.Timeout, where: o.Addr, db: o.DB, secrets: &secret.Redactor{}}
	if o.Password != "" {
		c.secrets.Add(o.Password)
	}
	return c, nil
}

// badURL repeats nothing of the URL: where in what cannot be parsed the
// password is, is anybody's guess.
func badURL(err error) error {
	reason := "it cannot be parsed"
	if wrong, ok := errors.AsType[*url.Error](err); !ok && !strings.Contains(err.Error(), "@") {
		reason = strings.TrimPrefix(err.Error(), "redis: ")
	} else if ok && !strings.ContainsAny(wrong.Err.Error(), `"`) {
		reason = wrong.Err.Error()
	}
	return fmt.Errorf("the URL of redis cannot be used: %s; expected redis://user:password@host:port/0", reason)
}

// Close lets the connections go.
func (c *Conn) Close() error { return c.client.Close() }

// String is the database for people.
func (c *Conn) String() string { return fmt.Sprintf("redis %s/%d", c.where, c.db) }

// ask gives an answer its time, and takes secrets out of what goes wrong.
func (c *Conn) ask(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%s: %w", c, c.secrets.Error(err))
	}
	return nil
}

// info is a section of what the server says of itself.
func (c *Conn) info(ctx context.Context, section string) (map[string]string, error) {
	var out map[string]string
	err := c.ask(ctx, func(ctx context.Context) error {
		text, err := c.client.Info(ctx, section).Result()
		out = figures(text)
		return err
	})
	return out, err
}

// figures are those of what INFO says.
func figures(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[k] = v
		}
	}
	return out
}

// number is one of a section's figures.
func number(info map[string]string, name string) (float64, error) {
	v, err := strconv.ParseFloat(info[name], 64)
	if err != nil {
		return 0, fmt.Errorf("the server does not say its %s", name)
	}
	return v, nil
}

// ID is the server's canonical identity: the address at which it sees us. By
// any address of this machine, and by its socket, it is this machine and its
// port. It asks the server once.
func (c *Conn) ID(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != "" {
		return c.id, nil
	}
	var client string
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		client, err = c.client.Do(ctx, "client", "info").Text()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("identity of the server: %w", err)
	}
	at := ""
	for _, f := range strings.Fields(client) {
		if v, ok := strings.CutPrefix(f, "laddr="); ok {
			at = v
		}
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil || port == "0" { // a socket
		info, err := c.info(ctx, "server")
		if err != nil {
			return "", fmt.Errorf("identity of the server: %w", err)
		}
		host, port = "127.0.0.1", info["tcp_port"]
		if port == "0" || port == "" {
			port = c.where // it listens on the socket alone
		}
	}
	if host, err = machine(host); err != nil {
		return "", fmt.Errorf("identity of the server: %w", err)
	}
	c.id = kind + ":" + host + ":" + port
	return c.id, nil
}

// machine is a name for an address: this machine's for each of its own.
func machine(host string) (string, error) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	ip := net.ParseIP(host)
	here := ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
	if !here {
		return host, nil
	}
	return os.Hostname()
}

// database is the identity of the connection's database.
func (c *Conn) database(ctx context.Context) (string, error) {
	id, err := c.ID(ctx)
	return id + "/db/" + strconv.Itoa(c.db), err
}
