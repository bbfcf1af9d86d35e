package processtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Status is how a process is doing.
type Status struct {
	Name     string `json:"name"`
	Status   string `json:"status"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Running  bool   `json:"is_running"`
}

func (o *Orchestrator) call(method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, "http://process-compose"+path, body)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(o.Dir, "pc.sock"))
		},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// list is empty while process-compose does not answer.
func (o *Orchestrator) list() []Status {
	var all struct {
		Data []Status `json:"data"`
	}
	_ = o.call("GET", "/processes", nil, &all)
	return all.Data
}

// Status asks how one process is doing.
func (o *Orchestrator) Status(t testing.TB, name string) Status {
	t.Helper()
	var s Status
	if err := o.call("GET", "/process/"+name, nil, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Definition is a process's whole configuration.
func (o *Orchestrator) Definition(t testing.TB, name string) json.RawMessage {
	t.Helper()
	var d json.RawMessage
	if err := o.call("GET", "/process/info/"+name, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Define replaces a process by one with another configuration. It stops it
// first: process-compose may lose one that it is to replace while it runs.
func (o *Orchestrator) Define(t testing.TB, name string, definition json.RawMessage) {
	t.Helper()
	if err := o.define(name, definition); err != nil {
		t.Fatal(err)
	}
}

func (o *Orchestrator) define(name string, definition json.RawMessage) error {
	if err := o.halt(name); err != nil {
		return err
	}
	return o.call("POST", "/process", definition, nil)
}

// SetEnv changes a variable of one process behind everybody's back.
func (o *Orchestrator) SetEnv(t testing.TB, name, key, value string) {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(o.Definition(t, name), &d); err != nil {
		t.Fatal(err)
	}
	env, _ := d["Environment"].([]any)
	env = slices.DeleteFunc(env, func(pair any) bool { return strings.HasPrefix(pair.(string), key+"=") })
	d["Environment"] = append(env, key+"="+value)
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	o.Define(t, name, raw)
}

// Stop stops a process, and returns when process-compose has let go of it.
func (o *Orchestrator) Stop(t testing.TB, name string) {
	t.Helper()
	if err := o.halt(name); err != nil {
		t.Fatal(err)
	}
}

func (o *Orchestrator) halt(name string) error {
	var s Status
	if err := o.call("GET", "/process/"+name, nil, &s); err != nil {
		return err
	}
	if s.Running {
		go func() { _ = o.call("PATCH", "/process/stop/"+name, nil, nil) }() // answers late at times
	}
	return await(name+" to end", func() error {
		if err := o.call("GET", "/process/"+name, nil, &s); err != nil {
			return err
		}
		if s.Status == "Running" || s.Status == "Terminating" || s.Status == "Restarting" {
			return fmt.Errorf("it is %s", s.Status)
		}
		if err := o.call("PATCH", "/process/stop/"+name, nil, nil); err == nil || !strings.Contains(err.Error(), "is not running") {
			return fmt.Errorf("process-compose still holds it: %v", err) //nolint:errorlint // it may be nil
		}
		return nil
	})
}

// Run starts a process that was stopped, and returns when it runs.
func (o *Orchestrator) Run(t testing.TB, name string) {
	t.Helper()
	if err := o.call("POST", "/process/start/"+name, nil, nil); err != nil {
		t.Fatal(err)
	}
	Await(t, name+" to run", func() error {
		if s := o.Status(t, name); !s.Running {
			return fmt.Errorf("it is %s", s.Status)
		}
		return nil
	})
}

// Reset makes every process what it was at the start, and returns when those
// with an address answer. It goes one by one: process-compose dies of two that
// it defines at once (a map without a lock).
func (o *Orchestrator) Reset(t testing.TB) {
	t.Helper()
	for name, original := range o.originals {
		if err := o.reset(name, original); err != nil {
			t.Fatal(err)
		}
	}
	o.AwaitHealthy(t)
}

func (o *Orchestrator) reset(name string, original json.RawMessage) error {
	var is json.RawMessage
	var s Status
	if err := errors.Join(o.call("GET", "/process/info/"+name, nil, &is), o.call("GET", "/process/"+name, nil, &s)); err != nil {
		return err
	}
	switch {
	case !bytes.Equal(is, original):
		return o.define(name, original)
	case disabled(original):
		return o.halt(name)
	case !s.Running:
		return errors.Join(o.halt(name), o.call("POST", "/process/start/"+name, nil, nil))
	}
	return nil
}
