package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

func removeOf(t testing.TB, c *Conn, service string) driver.Action {
	t.Helper()
	a, err := newRemove(t.Context(), c, removeParams{service})
	check(t, err)
	return a
}

func TestRemoveWalks(t *testing.T) {
	t.Parallel()
	drivertest.Walk(t, drivertest.Subject{Slow: true, World: func(t testing.TB) drivertest.World {
		idle := processtest.Process{Name: "idle", Entrypoint: []string{"sleep", "1000"}}
		o := processtest.Start(t, append(processtest.Disabled(processtest.Service(t, "blue", 2, "API_TOKEN=fl@g/tok")), idle)...)
		c := connect(t, o)
		return drivertest.World{Action: func() driver.Action { return removeOf(t, c, "blue") }}
	}, Secrets: []string{"fl@g/tok"}})
}

// Blue goes, all the rest runs on: who was there, who was changed since the
// project was read, and who was scaled.
func TestRemoveTakesTheServiceAndTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	blue := processtest.Service(t, "normalize", 2)
	green := processtest.Service(t, "normalize-green", 2, "MODE=a")
	for i := range green {
		green[i].Namespace = "normalize" // green is not to be taken for blue when that is gone
	}
	shell := processtest.Process{
		Name: "shell", Namespace: "other", Command: "while :; do sleep 1; done",
		Restart:   map[string]string{"restart": "always"},
		Readiness: map[string]any{"exec": map[string]string{"command": "true"}},
	}
	copies := processtest.Process{Name: "idle", Replicas: 2, Entrypoint: []string{"sleep", "1000"}, Environment: []string{"A=1"}}
	o := processtest.Start(t, slices.Concat(blue, processtest.Disabled(green), []processtest.Process{shell, copies})...)
	o.AwaitHealthyOnly(t, "normalize-0", "normalize-1")
	c := connect(t, o)
	apply(t, scaleOf(t, c, "normalize-green", 2))
	apply(t, envOf(t, c, envParams{rolling: rolling{Service: "normalize-green"}, Set: map[string]string{"MODE": "b"}}))

	_, err := planned(t, removeOf(t, c, "normalize"))
	if r, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(r.Reason, "service normalize still runs: normalize-0, normalize-1") {
		t.Errorf("while it runs: %v", err)
	}
	env := envOf(t, c, envParams{rolling: rolling{Service: "normalize"}, Set: map[string]string{"MODE": "a"}})
	apply(t, env)
	apply(t, scaleOf(t, c, "normalize", 0))
	rest := []string{"normalize-green-0", "normalize-green-1", "shell", "idle-0", "idle-1"}
	was := pids(t, o, rest)
	apply(t, removeOf(t, c, "normalize"))
	if now := pids(t, o, rest); now != was {
		t.Errorf("others were restarted: %s, then %s", was, now)
	}
	all, err := c.list(t.Context())
	check(t, err)
	if len(all) != len(rest) {
		t.Errorf("left are %v", services(all))
	}
	if e := effectOf(t, removeOf(t, c, "normalize")); len(diff(e.Before, e.Want)) > 0 {
		t.Errorf("removed, and there is something to do: %v", diff(e.Before, e.Want))
	}
	_, err = planned(t, removeOf(t, c, "nope"))
	if r, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(r.Reason, "has no processes called nope, and had none") {
		t.Errorf("of no service: %v", err)
	}
	if err := removeOf(t, c, "normalize").Undo(t.Context(), driver.Effect{}); err == nil {
		t.Error("it says that it was undone")
	}
	apply(t, scaleOf(t, c, "normalize-green", 1))
}

func pids(t testing.TB, o *processtest.Orchestrator, names []string) string {
	t.Helper()
	var out []string
	for _, name := range names {
		out = append(out, fmt.Sprint(name, " ", o.Status(t, name).PID))
	}
	return strings.Join(out, ", ")
}

// What earlier steps left of a service is nobody's drift once it is removed; a
// service that went away without that is.
func TestARemovedServiceIsAsTheRemovalLeftIt(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, slices.Concat(processtest.Service(t, "blue", 2, "MODE=a"), processtest.Service(t, "web", 1))...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	env := envOf(t, c, envParams{rolling: rolling{Service: "blue"}, Set: map[string]string{"MODE": "b"}})
	left := apply(t, env).Want
	left = left.With(apply(t, scaleOf(t, c, "blue", 0)).Want)
	without := left
	left = left.With(apply(t, removeOf(t, c, "blue")).Want)
	found, err := env.Observe(t.Context())
	check(t, err)
	if d := state.Drift(state.Face(left), state.Face(found)); len(d) > 0 {
		t.Errorf("drift after the removal: %v", d)
	}
	if d := state.Drift(state.Face(without), state.Face(found)); len(d) != 1 || !strings.Contains(d[0].String(), "removed") {
		t.Errorf("drift without the removal: %v", d)
	}
	_, err = planned(t, env)
	if r, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(r.Reason, "has no service blue (it has web)") {
		t.Errorf("a change of what is gone: %v", err)
	}
	s, err := newStatus(t.Context(), c, statusParams{Service: "blue", Running: new(0)})
	check(t, err)
	read(t, s, evidence.Fail, "has no service blue")
}

func TestNobodyIsRemovedWhomSomebodyElseHandles(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, slices.Concat(processtest.Disabled(processtest.Service(t, "blue", 2)), processtest.Service(t, "web", 1))...)
	o.AwaitHealthy(t)
	a := removeOf(t, connect(t, o), "blue")
	e := effectOf(t, a)
	was := o.Definition(t, "blue-0")
	for want, do := range map[string]func(){
		"blue-0: it is left there: somebody has started it":                  func() { o.Run(t, "blue-0") },
		"blue-0: it is left there: somebody else has changed its definition": func() { o.Define(t, "blue-0", was) },
	} {
		calls := 0
		e.Mine = func() error {
			if calls++; calls == 2 { // blue-0 is prepared, blue-1 is not
				do()
			}
			return nil
		}
		if _, err := a.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		o.Stop(t, "blue-0")
	}
	e.Mine = func() error { return nil }
	o.Run(t, "blue-1")
	if _, err := a.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "blue-1 runs again") {
		t.Errorf("started before: %v", err)
	}
	if got := running(t, o, "blue-0", "blue-1", "web-0"); got != "blue-1 web-0" {
		t.Errorf("there runs %s", got)
	}
}

// Removing goes by the name that process-compose gives a group of replicas.
func TestRemoveIsRefusedWhereItWouldTakeAnother(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Disabled(slices.Concat(processtest.Service(t, "blue", 1), processtest.Service(t, "web", 1)))...)
	c := connect(t, o)
	d, err := c.definition(t.Context(), "web-0")
	check(t, err)
	raw, err := json.Marshal(d.with("Name", "blue"))
	check(t, err)
	o.Define(t, "web-0", raw)
	_, err = planned(t, removeOf(t, c, "blue"))
	if r, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(r.Reason, "it takes web-0 for a replica of blue") {
		t.Errorf("planned: %v", err)
	}
}

// One replica is none that can be scaled down: it gets a companion first, and
// a crash after that leaves nothing behind.
func TestASingleReplicaIsRemovedToo(t *testing.T) {
	t.Parallel()
	copies := processtest.Process{Name: "one", Disabled: true, Entrypoint: []string{"sleep", "1000"}}
	idle := processtest.Process{Name: "idle", Entrypoint: []string{"sleep", "1000"}}
	pair := processtest.Process{Name: "pair", Disabled: true, Replicas: 2, Entrypoint: []string{"sleep", "1000"}}
	o := processtest.Start(t, append(processtest.Disabled(processtest.Service(t, "blue", 1)), copies, idle, pair)...)
	c := connect(t, o)
	for _, service := range []string{"blue", "one", "pair"} {
		a := removeOf(t, c, service)
		e := effectOf(t, a)
		calls := 0
		e.Mine = func() error {
			if calls++; calls == 2 {
				return driver.ErrNotMine
			}
			return nil
		}
		if _, err := a.Apply(t.Context(), e); !errors.Is(err, driver.ErrNotMine) {
			t.Errorf("%s: apply without the lease: %v", service, err)
		}
		e.Mine = func() error { return nil }
		after, err := removeOf(t, c, service).(driver.Resumable).Resume(t.Context(), e)
		check(t, err)
		if d := diff(e.Want, after); len(d) > 0 {
			t.Errorf("%s: %v", service, d)
		}
	}
	all, err := c.list(t.Context())
	check(t, err)
	if len(all) != 1 || all[0].Name != "idle" || !all[0].Running {
		t.Errorf("left are %s", statuses(all))
	}
}

func TestRemoveIsRefusedWhileSomebodyDependsOnIt(t *testing.T) {
	t.Parallel()
	blue := processtest.Disabled(processtest.Service(t, "blue", 1))
	web := processtest.Service(t, "web", 1)
	web[0].DependsOn = map[string]any{"blue-0": map[string]string{"condition": "process_started"}}
	o := processtest.Start(t, slices.Concat(blue, processtest.Disabled(web))...)
	_, err := planned(t, removeOf(t, connect(t, o), "blue"))
	if r, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(r.Reason, "web-0 depends on service blue") {
		t.Errorf("planned: %v", err)
	}
}
