package nginx

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

type connParams struct {
	Config  string `param:"config" doc:"Its configuration file." default:"/etc/nginx/nginx.conf"`
	Program string `param:"program" doc:"The program." default:"nginx"`
	Prefix  string `param:"prefix" doc:"What it is started with as -p, if it is."`
	Dir     string `param:"dir" doc:"Where Segue writes its files, which the configuration includes. By default the folder segue beside the configuration file."`
	Control string `param:"control" doc:"A free port of the loopback, on which NGINX then says what it runs. Nothing can be changed through it." default:"127.0.0.1:8999"`
	Logs    string `param:"logs" doc:"Where NGINX writes which side served what." default:"/var/log/nginx"`
}

// pathForm is what can stand in a configuration, in quotes, and mean itself.
var pathForm = regexp.MustCompile(`^/[A-Za-z0-9_./@%+=,:-]+$`)

// Validate implements what types cannot say.
func (p connParams) Validate() error {
	for _, f := range []struct{ field, path string }{{"config", p.Config}, {"prefix", p.Prefix}, {"dir", p.Dir}, {"logs", p.Logs}} {
		if f.path != "" && !strings.Contains(f.path, "${") && !pathForm.MatchString(f.path) {
			return &runbook.FieldError{Field: f.field, Problem: fmt.Sprintf("%q is no absolute path that can stand in a configuration", f.path), Remedy: "write one without spaces, quotes and $"}
		}
	}
	if p.Control == "" || strings.Contains(p.Control, "${") {
		return nil
	}
	host, port, err := net.SplitHostPort(p.Control)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() || !portForm.MatchString(port) {
		return &runbook.FieldError{Field: "control", Problem: fmt.Sprintf("%q is no port of the loopback", p.Control), Remedy: "write 127.0.0.1:8999, or another that is free"}
	}
	return nil
}

var portForm = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)

// Conn is a connection to one NGINX on this machine.
type Conn struct {
	p    connParams
	id   string
	dir  string // where Segue's files are
	conf string // the real path of the configuration

	mu   sync.Mutex
	logs map[string]*logCounter // by the split's name
}

func connection() driver.Part {
	return driver.Connects(driver.About{
		Name: kind, Doc: "An NGINX on this machine, by its configuration and its signals.",
	}, func(_ context.Context, p connParams) (*Conn, error) { return open(p) })
}

func open(p connParams) (*Conn, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("nginx: %w", err)
	}
	for _, d := range []struct {
		value     *string
		otherwise string
	}{{&p.Config, "/etc/nginx/nginx.conf"}, {&p.Control, "127.0.0.1:8999"}, {&p.Logs, "/var/log/nginx"}, {&p.Program, "nginx"}} {
		if *d.value == "" {
			*d.value = d.otherwise
		}
	}
	if p.Program == "nginx" { // often not in a user's PATH
		if _, err := exec.LookPath(p.Program); err != nil {
			p.Program = "/usr/sbin/nginx"
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name of this machine: %w", err)
	}
	c := &Conn{p: p, conf: p.Config, dir: p.Dir, logs: map[string]*logCounter{}}
	if real, err := filepath.EvalSymlinks(p.Config); err == nil {
		c.conf = real
	}
	if c.dir == "" {
		c.dir = filepath.Join(filepath.Dir(p.Config), "segue")
	}
	c.id = kind + ":" + host + c.conf
	return c, nil
}

// Close lets go of the logs.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.logs {
		l.close()
	}
	c.logs = map[string]*logCounter{}
	return nil
}

// String is the NGINX for people.
func (c *Conn) String() string { return "nginx of " + c.p.Config }

func (c *Conn) refused(reason, remedy string) error {
	return &driver.Refusal{System: c.String(), Reason: reason, Remedy: remedy}
}
