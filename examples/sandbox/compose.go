package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ProcessCompose is the name of its program.
const ProcessCompose = "process-compose"

// Compose speaks process-compose's REST API over its socket.
type Compose struct {
	client *http.Client
}

// NewCompose speaks over this socket.
func NewCompose(socket string) Compose {
	var dialer net.Dialer
	return Compose{&http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", socket)
			},
		},
	}}
}

// errProcess is what process-compose answers with a status of 400.
var errProcess = errors.New("process-compose refuses")

func (c Compose) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://process-compose"+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(raw, &refusal) // an empty reason says as much
		return fmt.Errorf("%s %s: %w: %d %s", method, path, errProcess, resp.StatusCode, refusal.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Statuses of a process that nobody will start again unasked.
const (
	StatusDisabled  = "Disabled"  // not started yet
	StatusCompleted = "Completed" // stopped
)

// A Process is one process as process-compose sees it.
type Process struct {
	Name      string  `json:"name"`
	Service   string  `json:"namespace"`
	Status    string  `json:"status"`
	PID       int     `json:"pid"`
	IsRunning bool    `json:"is_running"`
	Restarts  int     `json:"restarts"`
	ExitCode  int     `json:"exit_code"`
	CPU       float64 `json:"cpu"`
	Memory    int64   `json:"mem"`
}

// List is all processes, by name.
func (c Compose) List(ctx context.Context) ([]Process, error) {
	var all struct {
		Data []Process `json:"data"`
	}
	if err := c.call(ctx, http.MethodGet, "/processes", nil, &all); err != nil {
		return nil, err
	}
	slices.SortFunc(all.Data, func(a, b Process) int { return strings.Compare(a.Name, b.Name) })
	return all.Data, nil
}

// Get is one of them.
func (c Compose) Get(ctx context.Context, name string) (Process, error) {
	var p Process
	err := c.call(ctx, http.MethodGet, "/process/"+name, nil, &p)
	return p, err
}

// Start starts a process that does not run. Start and Stop do nothing when there
// is nothing to do.
func (c Compose) Start(ctx context.Context, name string) error {
	if p, err := c.Get(ctx, name); err != nil || p.IsRunning {
		return err
	}
	err := c.call(ctx, http.MethodPost, "/process/start/"+name, nil, nil)
	if err != nil && strings.Contains(err.Error(), "is already running") {
		return nil // since we asked
	}
	return err
}

// Stop asks it to end. One that ends while it is asked, faster than
// process-compose looks for it, has ended all the same.
func (c Compose) Stop(ctx context.Context, name string) error {
	if p, err := c.Get(ctx, name); err != nil || !p.IsRunning {
		return err
	}
	err := c.call(ctx, http.MethodPatch, "/process/stop/"+name, nil, nil)
	if err != nil && strings.Contains(err.Error(), "no such process") {
		return nil // as the kernel says; of a name that it does not know Get tells
	}
	return err
}

// A Definition is a process as process-compose has it; it must be given back whole.
type Definition map[string]any

// Info is how a process is defined.
func (c Compose) Info(ctx context.Context, name string) (Definition, error) {
	var d Definition
	err := c.call(ctx, http.MethodGet, "/process/info/"+name, nil, &d)
	return d, err
}

// Environment is what it is started with, as NAME=value.
func (d Definition) Environment() []string {
	var out []string
	list, _ := d["Environment"].([]any)
	for _, kv := range list {
		pair, _ := kv.(string)
		out = append(out, pair)
	}
	return out
}

// SetEnv changes variables of one process, takes others away, and starts it with
// what is left. It is stopped before: process-compose can lose a process for good
// that it is asked to change while it runs.
func (c Compose) SetEnv(ctx context.Context, name string, vars map[string]string, unset ...string) error {
	if err := c.Stop(ctx, name); err != nil {
		return err
	}
	err := Await(ctx, name+" to be gone", func(ctx context.Context) error { return c.gone(ctx, name) })
	if err != nil {
		return err
	}
	d, err := c.Info(ctx, name)
	if err != nil {
		return err
	}
	var env []string
	for _, pair := range d.Environment() {
		key, _, _ := strings.Cut(pair, "=")
		if _, changed := vars[key]; !changed && !slices.Contains(unset, key) {
			env = append(env, pair)
		}
	}
	for key, value := range vars {
		env = append(env, key+"="+value)
	}
	slices.Sort(env)
	d["Environment"] = env
	if err := c.call(ctx, http.MethodPost, "/process", d, nil); err != nil {
		return err
	}
	return c.Start(ctx, name) // one that was not changed, or is disabled, is not started by that
}

// gone wants process-compose to have let go of a process: its status says so
// earlier than its books, which only a refusal to stop it shows.
func (c Compose) gone(ctx context.Context, name string) error {
	p, err := c.Get(ctx, name)
	if err != nil {
		return err
	}
	if p.IsRunning {
		return fmt.Errorf("its status is %s", p.Status)
	}
	err = c.call(ctx, http.MethodPatch, "/process/stop/"+name, nil, nil)
	switch {
	case err == nil:
		return errors.New("it is still being stopped")
	case strings.Contains(err.Error(), "is not running"):
		return nil
	}
	return err
}
