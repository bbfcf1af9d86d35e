package system

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

// compose speaks process-compose's REST API over its socket.
type compose struct {
	client *http.Client
}

func newCompose(socket string) compose {
	var dialer net.Dialer
	return compose{&http.Client{
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

func (c compose) call(ctx context.Context, method, path string, in, out any) error {
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
	statusDisabled  = "Disabled"  // not started yet
	statusCompleted = "Completed" // stopped
)

// Process is one process as process-compose sees it.
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

func (c compose) list(ctx context.Context) ([]Process, error) {
	var all struct {
		Data []Process `json:"data"`
	}
	if err := c.call(ctx, http.MethodGet, "/processes", nil, &all); err != nil {
		return nil, err
	}
	slices.SortFunc(all.Data, func(a, b Process) int { return strings.Compare(a.Name, b.Name) })
	return all.Data, nil
}

func (c compose) get(ctx context.Context, name string) (Process, error) {
	var p Process
	err := c.call(ctx, http.MethodGet, "/process/"+name, nil, &p)
	return p, err
}

// start and stop do nothing when there is nothing to do.
func (c compose) start(ctx context.Context, name string) error {
	if p, err := c.get(ctx, name); err != nil || p.IsRunning {
		return err
	}
	err := c.call(ctx, http.MethodPost, "/process/start/"+name, nil, nil)
	if err != nil && strings.Contains(err.Error(), "is already running") {
		return nil // since we asked
	}
	return err
}

func (c compose) stop(ctx context.Context, name string) error {
	if p, err := c.get(ctx, name); err != nil || !p.IsRunning {
		return err
	}
	return c.call(ctx, http.MethodPatch, "/process/stop/"+name, nil, nil)
}
