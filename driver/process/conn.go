package process

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type connParams struct {
	API     string        `param:"api,required" doc:"Where process-compose answers: http://host:port, or unix:///path/to/its.sock."`
	Token   string        `param:"token" doc:"Its API token, where it asks for one."`
	Timeout time.Duration `param:"timeout" doc:"How long a call may take, beyond the time a replica takes to end." default:"10s"`
}

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	if strings.Contains(p.API, "${") {
		return nil // only known when it is opened
	}
	u, err := url.Parse(p.API)
	if err == nil && (u.Scheme == "unix" && u.Path != "" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "") {
		return nil
	}
	return &runbook.FieldError{Field: "api", Problem: "that is no address of process-compose", Remedy: "write http://host:port or unix:///path/to/its.sock"}
}

// Conn is a connection to one process-compose.
type Conn struct {
	client  *http.Client
	base    string // of every URL
	where   string // for people, and for who has no better identity
	token   string
	timeout time.Duration

	mu   sync.Mutex
	id   string                   // canonical, once it is known
	busy map[string]chan struct{} // replicas that are being replaced, closed at the end
}

func connection() driver.Part {
	return driver.Connects(driver.About{
		Name: kind, Doc: "A process-compose that keeps services, by its REST API.",
	}, func(_ context.Context, p connParams) (*Conn, error) { return open(p) })
}

// open prepares a client and does not connect.
func open(p connParams) (*Conn, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("process: %w", err)
	}
	u, err := url.Parse(p.API)
	if err != nil {
		return nil, fmt.Errorf("process: api: %w", err)
	}
	c := &Conn{token: p.Token, timeout: p.Timeout}
	if c.timeout <= 0 {
		c.timeout = 10 * time.Second
	}
	// A fresh connection each time: what went stale in a pool would fail calls
	// that must not be repeated blindly.
	transport := &http.Transport{DisableKeepAlives: true}
	switch u.Scheme {
	case "unix":
		socket := u.Path
		var dialer net.Dialer
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
		if real, err := filepath.EvalSymlinks(socket); err == nil {
			socket = real
		}
		c.base, c.where = "http://process-compose", socket
	default:
		c.base, c.where = u.Scheme+"://"+u.Host+strings.TrimSuffix(u.Path, "/"), u.Host+strings.TrimSuffix(u.Path, "/")
	}
	c.client = &http.Client{Transport: transport}
	return c, nil
}

// Close has nothing to release.
func (c *Conn) Close() error { return nil }

// String is the orchestrator for people.
func (c *Conn) String() string { return "process-compose at " + c.where }

// ID is the orchestrator's canonical identity: the machine it runs on and the
// file of its project. It asks once.
func (c *Conn) ID(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.id
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	project, err := c.project(ctx)
	if err != nil {
		return "", fmt.Errorf("identity of the orchestrator: %w", err)
	}
	file := strings.Join(project.Files, ",")
	if !filepath.IsAbs(file) { // it was started from a directory that it does not tell
		file = c.where + "/" + file
	}
	id := kind + ":" + project.Host + "/" + strings.TrimPrefix(filepath.Clean(file), "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = id
	return id, nil
}

// resource is a service as it is claimed.
func (c *Conn) resource(ctx context.Context, service string) (driver.Resource, error) {
	id, err := c.ID(ctx)
	if err != nil {
		return driver.Resource{}, err
	}
	return driver.Resource{ID: id + "/service/" + service, Name: "service " + service + " of " + c.String()}, nil
}
