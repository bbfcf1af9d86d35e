package drivertest

import (
	"context"
	"fmt"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/runbook"
)

// Made is what a runbook's text made of a driver's parts.
type Made struct {
	Conns   map[string]driver.Conn
	Checks  map[string]driver.Check
	Actions map[string]driver.Action // by the step's name
	// Again makes a step's action anew on the same connections, as a process
	// does that starts after a crash.
	Again func(step string) driver.Action
}

// Make parses a runbook with the given parts built in, opens its connections
// and makes each check and action, as a run would. So a driver's tests use
// parameters as people write them. References are looked up in env.
func Make(t testing.TB, text string, env map[string]string, parts ...driver.Part) Made {
	t.Helper()
	var c driver.Catalog
	c.Add(parts...)
	rb, err := runbook.Parse("test.yaml", []byte(text), &c, runbook.Values{})
	if err != nil {
		t.Fatalf("parse the runbook: %v", err)
	}
	lookup := func(name string) (string, error) {
		if v, ok := env[name]; ok {
			return v, nil
		}
		return "", fmt.Errorf("%s is not set", name)
	}
	made := Made{Conns: map[string]driver.Conn{}, Checks: map[string]driver.Check{}, Actions: map[string]driver.Action{}}
	conns := func(_ context.Context, name string) (driver.Conn, error) { return made.Conns[name], nil }
	for _, conn := range rb.Connections {
		opened, err := c.Open(t.Context(), conn.Use, lookup)
		if err != nil {
			t.Fatalf("open %s: %v", conn.Name, err)
		}
		t.Cleanup(func() { _ = opened.Close() })
		made.Conns[conn.Name] = opened
	}
	for _, check := range rb.Checks {
		made.Checks[check.Name], err = c.Check(t.Context(), conns, check.Use, lookup)
		if err != nil {
			t.Fatalf("make check %s: %v", check.Name, err)
		}
	}
	steps := map[string]runbook.Step{}
	made.Again = func(step string) driver.Action {
		t.Helper()
		action, err := c.Action(t.Context(), conns, steps[step].Use, lookup)
		if err != nil {
			t.Fatalf("make step %s: %v", step, err)
		}
		return action
	}
	for _, step := range rb.AllSteps() {
		steps[step.Name] = step
		made.Actions[step.Name] = made.Again(step.Name)
	}
	return made
}
