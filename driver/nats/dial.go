package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Validate checks what needs no live system. It never repeats the URL: a
// password may be in it.
func (p connParams) Validate() error {
	_, err := servers(p.URL)
	if err == nil && (p.Cert == "") != (p.Key == "") {
		err = errors.New("cert and key belong together")
	}
	return err
}

// servers lists the addresses in a url parameter, without credentials.
func servers(list string) ([]string, error) {
	var out []string
	for i, one := range strings.Split(list, ",") {
		one = strings.TrimSpace(one)
		if strings.Contains(one, "${") { // not resolved yet
			out = append(out, "(from the environment)")
			continue
		}
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("url: server %d is not a URL such as nats://host:4222", i+1)
		}
		out = append(out, u.Host)
	}
	return out, nil
}

func (p connParams) dial(ctx context.Context, system bool, more ...nats.Option) (*nats.Conn, error) {
	hosts, err := servers(p.URL)
	if err != nil {
		return nil, err
	}
	where := "nats servers " + strings.Join(hosts, ", ")
	opts := append([]nats.Option{
		nats.Name(cmp.Or(p.Name, "segue")),
		nats.Timeout(2 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(25*time.Millisecond, 25*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // a node that restarts may refuse for a moment
		nats.ReconnectBufSize(-1),   // a write must not arrive after its caller gave up
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // requests carry their own errors
	}, more...)
	list := p.URL
	if system {
		list = strings.Join(hosts, ",")
		if scheme, _, ok := strings.Cut(p.URL, "://"); ok {
			list = scheme + "://" + strings.Join(hosts, ","+scheme+"://")
		}
		if name, password, ok := strings.Cut(p.System, ":"); ok && !strings.HasSuffix(p.System, ".creds") {
			opts = append(opts, nats.UserInfo(name, password))
		} else {
			opts = append(opts, nats.UserCredentials(p.System))
		}
	} else if p.Creds != "" {
		opts = append(opts, nats.UserCredentials(p.Creds))
	}
	if p.CA != "" {
		opts = append(opts, nats.RootCAs(p.CA))
	}
	if p.Cert != "" {
		opts = append(opts, nats.ClientCert(p.Cert, p.Key))
	}

	type result struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		nc, err := nats.Connect(list, opts...)
		done <- result{nc, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("connect to %s: %w", where, r.err)
		}
		return r.nc, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.nc != nil {
				r.nc.Close()
			}
		}()
		return nil, fmt.Errorf("connect to %s: %w", where, context.Cause(ctx))
	}
}
