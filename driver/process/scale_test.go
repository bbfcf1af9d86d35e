package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/process/processtest"
	"github.com/segue-run/segue/evidence"
	"github.com/segue-run/segue/state"
)

func scaleOf(t testing.TB, c *Conn, service string, n int) driver.Action {
	t.Helper()
	p := scaleParams{rolling: rolling{Service: service, Within: 10 * time.Second, asking: asking{health}}, Replicas: n}
	check(t, p.Validate())
	a, err := newScale(t.Context(), c, p)
	check(t, err)
	return a
}

// planned is what a runner does before a step, as far as the error.
func planned(t testing.TB, a driver.Action) (state.State, error) {
	t.Helper()
	before, err := a.Observe(t.Context())
	check(t, err)
	others, err := a.(driver.Surveyor).Survey(t.Context())
	if err != nil {
		return nil, err
	}
	return a.(driver.Surveyor).PlanAmong(before, others)
}

func apply(t testing.TB, a driver.Action) driver.Effect {
	t.Helper()
	e := effectOf(t, a)
	after, err := a.Apply(t.Context(), e)
	check(t, err)
	if d := diff(e.Want, after); len(d) > 0 {
		t.Fatalf("it is not as wanted: %v", d)
	}
	return e
}

// running lists who runs, as process-compose has it.
func running(t testing.TB, o *processtest.Orchestrator, names ...string) string {
	t.Helper()
	return strings.Join(slices.DeleteFunc(names, func(n string) bool { return !o.Status(t, n).Running }), " ")
}

func TestScaleUpWalks(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Disabled(processtest.Service(t, "green", 2))...)
	drivertest.Walk(t, drivertest.Subject{Slow: true, World: func(t testing.TB) drivertest.World {
		o.Reset(t)
		c := connect(t, o)
		return drivertest.World{
			Action:  func() driver.Action { return scaleOf(t, c, "green", 2) },
			Disturb: func(context.Context) error { o.Stop(t, "green-0"); return nil },
		}
	}})
}

func TestScaleDownWalks(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "blue", 2)...)
	drivertest.Walk(t, drivertest.Subject{Slow: true, World: func(t testing.TB) drivertest.World {
		o.Reset(t)
		c := connect(t, o)
		return drivertest.World{
			Action:  func() driver.Action { return scaleOf(t, c, "blue", 0) },
			Disturb: func(context.Context) error { o.Run(t, "blue-1"); return nil },
		}
	}})
}

func TestScaleTakesTheLowestAndLeavesTheHighest(t *testing.T) {
	t.Parallel()
	// That the second is of the namespace web makes it none of web's.
	green := processtest.Service(t, "web-green", 1)
	green[0].Namespace = "web"
	o := processtest.Start(t, slices.Concat(processtest.Service(t, "web", 3), green)...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	all := func() string { return running(t, o, "web-0", "web-1", "web-2", "web-green-0") }
	e := apply(t, scaleOf(t, c, "web", 2))
	if got := all(); got != "web-0 web-1 web-green-0" {
		t.Errorf("of 3, 2: %s", got)
	}
	check(t, scaleOf(t, c, "web", 2).Undo(t.Context(), e))
	if got := all(); got != "web-0 web-1 web-2 web-green-0" {
		t.Errorf("undone: %s", got)
	}
	o.Stop(t, "web-0")
	o.Stop(t, "web-1")
	e = apply(t, scaleOf(t, c, "web", 2))
	if got := all(); got != "web-0 web-2 web-green-0" {
		t.Errorf("of one that runs, 2: %s", got)
	}
	if e := effectOf(t, scaleOf(t, c, "web", 2)); len(diff(e.Before, e.Want)) > 0 {
		t.Errorf("two run, and there is something to do: %v", diff(e.Before, e.Want))
	}
	// Somebody has changed places since: undo starts before it stops.
	o.Stop(t, "web-2")
	check(t, scaleOf(t, c, "web", 2).Undo(t.Context(), e))
	if got := all(); got != "web-2 web-green-0" {
		t.Errorf("undone: %s", got)
	}
	down := apply(t, scaleOf(t, c, "web", 0))
	if got := all(); got != "web-green-0" {
		t.Errorf("of one, none: %s", got)
	}
	check(t, scaleOf(t, c, "web", 0).Undo(t.Context(), down))
	if got := all(); got != "web-2 web-green-0" {
		t.Errorf("undone: %s", got)
	}
}

func TestMoreThanAreDefinedAreRefused(t *testing.T) {
	t.Parallel()
	copies := processtest.Process{Name: "idle", Replicas: 2, Entrypoint: []string{"sleep", "1000"}}
	o := processtest.Start(t, append(processtest.Service(t, "web", 2), copies)...)
	c := connect(t, o)
	for _, service := range []string{"web", "idle"} {
		_, err := planned(t, scaleOf(t, c, service, 3))
		refusal, ok := errors.AsType[*driver.Refusal](err)
		if !ok || !strings.Contains(refusal.Reason, fmt.Sprintf("has 2 replicas (%s-0, %s-1), so 3 cannot run", service, service)) || refusal.Remedy == "" {
			t.Errorf("3 of %s: %v", service, err)
		}
	}
	_, err := planned(t, scaleOf(t, c, "wep", 1))
	if _, ok := errors.AsType[*driver.Refusal](err); !ok || !strings.Contains(err.Error(), "has no service wep (it has idle, web)") {
		t.Errorf("of no service: %v", err)
	}
}

// A release that does not start is found, and its undo leaves nothing of it.
func TestScaleFailsIfWhatItStartsDoesNotWork(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{"BROKEN=exit": "its status is Completed, exit code 3", "BROKEN=sick": "status 503", "RELEASE=v1": `does not show the wanted version: "v1", not "v2"`} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			o := processtest.Start(t, processtest.Disabled(processtest.Service(t, "green", 2, env))...)
			a, err := newScale(t.Context(), connect(t, o), scaleParams{
				rolling:  rolling{Service: "green", Within: 700 * time.Millisecond, asking: asking{health}},
				Replicas: 2, answering: answering{map[string]string{"version": "v2"}},
			})
			check(t, err)
			e := effectOf(t, a)
			if _, err = a.Apply(t.Context(), e); err == nil || !strings.Contains(err.Error(), "green-1: it was started and does not work: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("apply: %v, want %q", err, want)
			}
			check(t, a.Undo(t.Context(), e))
			if got := running(t, o, "green-0", "green-1"); got != "" {
				t.Errorf("after undo there runs %s", got)
			}
		})
	}
}

func TestTheLastThatWorksIsNotStoppedUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, slices.Concat(processtest.Service(t, "web", 1, "BROKEN=sick"), processtest.Service(t, "web", 2)[1:])...)
	o.AwaitHealthyOnly(t, "web-1")
	c := connect(t, o)
	a, err := newScale(t.Context(), c, scaleParams{rolling: rolling{Service: "web", Within: 300 * time.Millisecond, asking: asking{health}}, Replicas: 1})
	check(t, err)
	_, err = a.Apply(t.Context(), effectOf(t, a))
	if err == nil || !strings.Contains(err.Error(), "web-1: it is left running, as none of those that stay works") || running(t, o, "web-0", "web-1") != "web-0 web-1" {
		t.Errorf("apply: %v; there runs %s", err, running(t, o, "web-0", "web-1"))
	}
	apply(t, scaleOf(t, c, "web", 0))
	if got := running(t, o, "web-0", "web-1"); got != "" {
		t.Errorf("of none there runs %s", got)
	}
}

// The witness asks at the address, so it sees somebody whom process-compose
// does not know of.
func TestTheWitnessOfScaleSeesWhoAnswers(t *testing.T) {
	t.Parallel()
	web := processtest.Service(t, "web", 2)
	squatter := processtest.Disabled([]processtest.Process{{Name: "squatter", Entrypoint: web[1].Entrypoint, Environment: web[1].Environment}})
	o := processtest.Start(t, append(web, squatter...)...)
	o.AwaitHealthyOnly(t, "web-0", "web-1")
	c := connect(t, o)
	a := scaleOf(t, c, "web", 1)
	e := effectOf(t, a)
	w := a.(driver.Witness)
	check(t, w.Witness(t.Context(), e.Before))
	if err := w.Witness(t.Context(), e.Want); err == nil || !strings.Contains(err.Error(), "web-1: it is to be stopped, and somebody answers") {
		t.Errorf("before: %v", err)
	}
	_, err := a.Apply(t.Context(), e)
	check(t, err)
	check(t, w.Witness(t.Context(), e.Want))
	if err := w.Witness(t.Context(), e.Before); err == nil || !strings.Contains(err.Error(), "web-1: it is to run and does not answer") {
		t.Errorf("after: %v", err)
	}
	o.Run(t, "squatter")
	processtest.Await(t, "the witness to see the squatter", func() error {
		if err := w.Witness(t.Context(), e.Want); err == nil {
			return errors.New("it sees nothing")
		}
		return nil
	})
	if _, ok := any(a.(*watched).scale).(driver.Witness); ok {
		t.Error("it has a witness without an address to ask at")
	}
}

// The roll of what is disabled changes what it would run, and starts it not;
// what scale has started is replaced in its turn; each undo leaves who ran.
func TestADisabledServiceIsPreparedThenScaledThenChanged(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Disabled(processtest.Service(t, "green", 2, "RELEASE=v1"))...)
	c := connect(t, o)
	release := func(v string) driver.Action {
		return deployOf(t, c, deployParams{rolling: rolling{Service: "green"}, Env: map[string]string{"RELEASE": v}, witnessing: witnessing{map[string]string{"RELEASE": "version"}}})
	}
	shows := func(want int, version string) {
		t.Helper()
		p := statusParams{Service: "green", Replicas: 2, Running: &want, asking: asking{health}}
		if want > 0 {
			p.Answers = map[string]string{"version": version}
		}
		s, err := newStatus(t.Context(), c, p)
		check(t, err)
		read(t, s, evidence.Pass, fmt.Sprintf("%d of 2 replicas run, %d work", want, want))
	}
	first := apply(t, release("v2"))
	shows(0, "")
	up := apply(t, scaleOf(t, c, "green", 2))
	shows(2, "v2")
	second := apply(t, release("v3"))
	shows(2, "v3")
	check(t, release("v3").Undo(t.Context(), second))
	shows(2, "v2")
	check(t, scaleOf(t, c, "green", 2).Undo(t.Context(), up))
	shows(0, "")
	check(t, release("v2").Undo(t.Context(), first))
	shows(0, "")
	apply(t, scaleOf(t, c, "green", 1))
	shows(1, "v1")
}

// Undone out of turn, an older step gives what is stopped its old definition
// and does not start it on the way.
func TestUndoOfAChangeStartsNobodyWhoWasStopped(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=a")...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	apply(t, scaleOf(t, c, "web", 0))
	env := envOf(t, c, envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": "b"}})
	e := apply(t, env)
	check(t, env.Undo(t.Context(), e))
	for _, name := range []string{"web-0", "web-1"} {
		lines, err := c.logs(t.Context(), name, tailLength)
		if s := o.Status(t, name); s.Running || err != nil || len(lines) > 0 {
			t.Errorf("%s is %s and has written %q, %v", name, s.Status, lines, err)
		}
	}
	apply(t, scaleOf(t, c, "web", 2))
	found, err := env.Observe(t.Context())
	check(t, err)
	if got := fields(t, found)["env.MODE"]; got != `"a"` {
		t.Errorf("it runs with %s", got)
	}
	// What was held is as it was defined when it is replaced again.
	apply(t, envOf(t, c, envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": "c"}}))
	d, err := c.definition(t.Context(), "web-0")
	check(t, err)
	if d.deferred() || d.marks().Held {
		t.Error("it is still held")
	}
}
