// Package natstest starts a real NATS cluster for tests: three nodes with
// JetStream in this process, on free loopback ports, with a system account,
// everything on disk in a directory that goes away.
//
// Starting takes a second or two, so a test package starts one cluster (in
// TestMain, with Start) and gives each test streams of its own; a test that
// stops nodes has its own cluster (Cluster).
package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Name is the cluster's name, Account the one that has JetStream.
	Name    = "segue-test"
	Account = "APP"
	// Password is in URL; it must show nowhere.
	Password = "t0p-s3cret-pw"

	user, sysUser, sysPassword = "app", "sys", "sys-s3cret-pw"
	nodes                      = 3
)

// Nodes is a running cluster.
type Nodes struct {
	opts    [nodes]*server.Options
	servers [nodes]*server.Server
	disks   [nodes]*Disk
}

// Restricted are users, by name, that may not do something that the others may.
var Restricted = map[string]server.Permissions{
	"deaf":   {Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}}},
	"mute":   {Publish: &server.SubjectPermission{Deny: []string{"_segue.>"}}},
	"reader": {Publish: &server.SubjectPermission{Deny: []string{"$JS.API.STREAM.UPDATE.>"}}},
}

func users(app, sys *server.Account) []*server.User {
	all := []*server.User{
		{Username: user, Password: Password, Account: app},
		{Username: sysUser, Password: sysPassword, Account: sys},
	}
	for name, may := range Restricted {
		all = append(all, &server.User{Username: name, Password: Password, Account: app, Permissions: &may})
	}
	return all
}

// Cluster starts a cluster that ends with the test.
func Cluster(t testing.TB) *Nodes {
	t.Helper()
	n, err := Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// Start starts a cluster that keeps its files in dir. Stop ends it.
func Start(dir string) (*Nodes, error) {
	return start(under(dir))
}

// under is a directory for each node.
func under(dir string) (dirs [nodes]string) {
	for i := range dirs {
		dirs[i] = filepath.Join(dir, "n"+strconv.Itoa(i+1))
	}
	return dirs
}

func start(dirs [nodes]string) (*Nodes, error) {
	ports, err := freePorts(2 * nodes)
	if err != nil {
		return nil, err
	}
	n := &Nodes{opts: options(ports, dirs)}
	for i := range n.opts {
		if err := n.start(i); err != nil {
			n.Stop()
			return nil, err
		}
	}
	if err = n.ready(nodes); err == nil {
		err = n.warm()
	}
	if err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// options are those of each node: its own port, then that of its routes.
func options(ports []int, dirs [nodes]string) (out [nodes]*server.Options) {
	routes := make([]*url.URL, nodes)
	for i := range routes {
		routes[i] = &url.URL{Scheme: "nats", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[nodes+i]))}
	}
	for i := range out {
		app, sys := server.NewAccount(Account), server.NewAccount("$SYS")
		out[i] = &server.Options{
			ServerName: "n" + strconv.Itoa(i+1), Host: "127.0.0.1", Port: ports[i],
			JetStream: true, StoreDir: dirs[i],
			Cluster: server.ClusterOpts{Name: Name, Host: "127.0.0.1", Port: ports[nodes+i]},
			Routes:  routes, NoSigs: true, NoLog: true,
			Accounts:      []*server.Account{app, sys},
			SystemAccount: "$SYS",
			Users:         users(app, sys),
		}
	}
	return out
}

// warm makes a stream on all nodes and deletes it: a cluster that has just
// found its leader may still lose a first request.
func (n *Nodes) warm() error {
	nc, err := nats.Connect(n.URL(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	once := func(do func(context.Context) error) func() bool {
		return func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return do(ctx) == nil
		}
	}
	const name = "natstest-warm-up"
	if err := until(20*time.Second, "stream on all nodes", once(func(ctx context.Context) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Replicas: nodes})
		return err
	})); err != nil {
		return err
	}
	return until(20*time.Second, "end of that stream", once(func(ctx context.Context) error {
		err := js.DeleteStream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		return err
	}))
}

func (n *Nodes) start(i int) error {
	opts := n.opts[i].Clone()
	// NewServer works on the accounts it is given: each start has fresh ones.
	app, sys := server.NewAccount(Account), server.NewAccount("$SYS")
	opts.Accounts = []*server.Account{app, sys}
	opts.Users = users(app, sys)
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("node %s: %w", opts.ServerName, err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return fmt.Errorf("node %s is not ready for connections after 10 s", opts.ServerName)
	}
	if acc, err := s.LookupAccount(Account); err != nil {
		return fmt.Errorf("node %s: %w", opts.ServerName, err)
	} else if err := acc.EnableJetStream(nil, nil); err != nil {
		return fmt.Errorf("node %s: JetStream for %s: %w", opts.ServerName, Account, err)
	}
	n.servers[i] = s
	return nil
}

// ready waits until the cluster has a leader that sees enough current peers.
func (n *Nodes) ready(want int) error {
	return until(20*time.Second, fmt.Sprintf("a leader with %d current nodes", want), func() bool {
		for _, s := range n.servers {
			if s == nil || !s.JetStreamIsLeader() {
				continue
			}
			info, err := s.Jsz(&server.JSzOptions{})
			if err != nil || info.Meta == nil || info.Meta.Size != nodes {
				return false
			}
			current := 1
			for _, r := range info.Meta.Replicas {
				if r.Current && !r.Offline {
					current++
				}
			}
			return current >= want
		}
		return false
	})
}

// URL lists the nodes with the credentials of a user of Account.
func (n *Nodes) URL() string { return n.URLOf(user) }

// URLOf is the URL for one of the Restricted.
func (n *Nodes) URLOf(user string) string {
	urls := make([]string, nodes)
	for i, o := range n.opts {
		urls[i] = fmt.Sprintf("nats://%s:%s@%s", user, Password, net.JoinHostPort(o.Host, strconv.Itoa(o.Port)))
	}
	return strings.Join(urls, ",")
}

// SystemCreds are those of the system account, as "user:password".
func (n *Nodes) SystemCreds() string { return sysUser + ":" + sysPassword }

// Secrets are what must show nowhere.
func (n *Nodes) Secrets() []string { return []string{Password, sysPassword} }

// JetStream is a client of its own, for the test's own hands and eyes.
func (n *Nodes) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(n.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// StopNode stops one node, as an operator would, and waits until the others
// have a leader again.
func (n *Nodes) StopNode(t testing.TB, i int) {
	t.Helper()
	n.servers[i].Shutdown()
	n.servers[i].WaitForShutdown()
	n.servers[i] = nil
	if err := n.ready(nodes - 1); err != nil {
		t.Fatal(err)
	}
}

// StartNode starts it again and waits until it has caught up.
func (n *Nodes) StartNode(t testing.TB, i int) {
	t.Helper()
	if err := n.start(i); err != nil {
		t.Fatal(err)
	}
	if err := n.ready(nodes); err != nil {
		t.Fatal(err)
	}
}

// StreamLeader is the index of the node that leads a stream, -1 if none does.
func (n *Nodes) StreamLeader(stream string) int {
	for i, s := range n.servers {
		if s != nil && s.JetStreamIsStreamLeader(Account, stream) {
			return i
		}
	}
	return -1
}

// Stop ends all nodes.
func (n *Nodes) Stop() {
	var all sync.WaitGroup
	for i, s := range n.servers {
		if s != nil {
			all.Go(func() {
				s.Shutdown()
				s.WaitForShutdown()
			})
			n.servers[i] = nil
		}
	}
	all.Wait()
}

func until(within time.Duration, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no %s within %s", what, within)
		}
	}
	return nil
}

func freePorts(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l)
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errors.New("find a free port: not a TCP address")
		}
		ports = append(ports, addr.Port)
	}
	return ports, nil
}

// Disconnect cuts the connections that clients of a name have, as a network
// does, and returns how many there were.
func (n *Nodes) Disconnect(name string) (cut int) {
	for _, s := range n.servers {
		if s == nil {
			continue
		}
		all, err := s.Connz(&server.ConnzOptions{})
		if err != nil {
			continue
		}
		for _, c := range all.Conns {
			if c.Name == name && s.DisconnectClientByID(c.Cid) == nil {
				cut++
			}
		}
	}
	return cut
}

// Kill stops a node at once and waits for nothing.
func (n *Nodes) Kill(i int) {
	n.servers[i].Shutdown()
	n.servers[i] = nil
}
