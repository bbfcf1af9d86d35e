package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/segue-run/segue/driver/nats/relay"
)

// gathered is what stands ready for the gap: a relay and a reader on the
// server that leads both streams, and what is to be written.
type gathered struct {
	relay  *relay.Relay
	reader *nats.Conn
	server string
	// since is a place from which on the relay hears what the giver stores.
	since relay.Mark
	tail  []relay.Stored // what the giver has stored after that, as far as it was read
	read  uint64         // up to here
	// dropped and attached are the configurations that the gap writes, and whole
	// is the giver's when it gets the space back.
	dropped, attached, whole config
	// carrying: messages may have been carried to the taker.
	carrying bool
}

func (g *gathered) close() {
	if g.relay != nil {
		g.relay.Close()
	}
	if g.reader != nil {
		g.reader.Close()
	}
}

// gather has the taker led from the server that leads the giver, and connects
// there: from anywhere else order and probes prove less.
func (x *crossing) gather(ctx context.Context) (*gathered, error) {
	server, err := x.colocate(ctx)
	if err != nil {
		return nil, err
	}
	g := &gathered{server: server}
	nc, err := x.c.connectTo(ctx, server)
	if err != nil {
		return nil, err
	}
	if g.reader, err = x.c.connectTo(ctx, server); err != nil {
		nc.Close()
		return nil, err
	}
	o := relay.Options{Space: x.space, Prefix: x.prefix()}
	if x.hooks != nil {
		o.Publish = x.hooks.publish
	}
	if g.relay, err = relay.Open(nc, o); err != nil {
		nc.Close()
		g.close()
		return nil, fmt.Errorf("%s: %w", x.c, err)
	}
	if err := sleep(ctx, spreading); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// spreading is how long the relay's interest may take to be known to servers that
// publishers are connected to, there and back: over gateways and leaf nodes, too.
// What such a server sends before it knows it, the relay does not hear.
const spreading = 250 * time.Millisecond

// leader is who leads a stream; "" if nobody does.
func (i *streamInfo) leader() string {
	if i.Cluster == nil {
		return ""
	}
	return i.Cluster.Leader
}

// colocate moves the taker's leader, never the giver's: that one serves.
func (x *crossing) colocate(ctx context.Context) (server string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("not within %s", callTimeout))
	defer cancel()
	asked := time.Time{}
	err = await(ctx, func() (bool, error) {
		giver, taker, err := x.look(ctx)
		if err != nil {
			return false, err
		}
		if server = giver.leader(); server == "" && giver.Cluster == nil || server != "" && server == taker.leader() {
			return true, nil
		}
		if server == "" || taker.leader() == "" { // one is being elected
			return false, nil
		}
		if !hasPeer(taker, server) {
			return false, fmt.Errorf("stream %s is led from %s, where stream %s has no replica", x.giver, server, x.taker)
		}
		if time.Since(asked) < attempt/2 {
			return false, nil
		}
		asked = time.Now()
		req := map[string]any{"placement": map[string]string{"preferred": server}}
		err = x.c.tell(ctx, x.mine, "$JS.API.STREAM.LEADER.STEPDOWN."+x.taker, req, nil)
		if _, refused := errors.AsType[*replyError](err); refused {
			err = nil // not now: it is looked at again
		}
		return false, err
	})
	if err != nil {
		return "", fmt.Errorf("%s: have stream %s led from the server that leads %s: %w", x.c, x.taker, x.giver, err)
	}
	if server == "" {
		server = x.c.nc.ConnectedServerName()
	}
	return server, nil
}

func hasPeer(info *streamInfo, server string) bool {
	if info.leader() == server {
		return true
	}
	for _, r := range info.Cluster.Replicas {
		if r.Name == server && !r.Offline {
			return true
		}
	}
	return false
}

// connectTo connects to one server of the cluster, by its name. The connection
// is not made again when it is lost.
func (c *Conn) connectTo(ctx context.Context, server string) (*nats.Conn, error) {
	var last error
	for _, address := range c.nc.Servers() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		o := c.nc.Opts
		u.User = c.user
		o.Url, o.Servers, o.NoRandomize, o.AllowReconnect, o.RetryOnFailedConnect = u.String(), nil, true, false, false
		o.DisconnectedErrCB, o.ClosedCB, o.AsyncErrorCB = nil, nil, nil
		o.Name, o.IgnoreDiscoveredServers = c.nc.Opts.Name+" relay", true
		nc, err := o.Connect()
		if err != nil {
			last = err
			continue
		}
		if nc.ConnectedServerName() == server {
			return nc, nil
		}
		nc.Close()
	}
	return nil, fmt.Errorf("%s: connect to its server %s, which must be among %v: %w", c, server, hostsOf(c.nc.Servers()), errors.Join(errNoServer, last))
}

var errNoServer = errors.New("no address leads there")

func hostsOf(addresses []string) []string {
	var out []string
	for _, a := range addresses {
		if u, err := url.Parse(a); err == nil {
			out = append(out, u.Host)
		}
	}
	return out
}
