package process

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/process/processtest"
)

func deployOf(t testing.TB, c *Conn, p deployParams) driver.Action {
	t.Helper()
	p.Health, p.Within = health, 10*time.Second
	a, err := newDeploy(t.Context(), c, p)
	check(t, err)
	return a
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	check(t, err)
	return path
}

func TestDeployWalks(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "normalize", 2, "RELEASE=v1")...)
	drivertest.Walk(t, drivertest.Subject{
		Slow:    true,
		Secrets: []string{"fl@g/tok"},
		World: func(t testing.TB) drivertest.World {
			o.Reset(t)
			c := connect(t, o)
			return drivertest.World{
				Action: func() driver.Action {
					return deployOf(t, c, deployParams{
						rolling: rolling{Service: "normalize"}, Command: []string{self(t), "--api-token", "fl@g/tok"},
						Env: map[string]string{"RELEASE": "phase2-migration"}, witnessing: witnessing{map[string]string{"RELEASE": "version"}},
					})
				},
				Disturb: func(context.Context) error { o.SetEnv(t, "normalize-0", "RELEASE", "hotfix"); return nil },
			}
		},
	})
}

// process-compose takes definitions for the same that differ in the executable
// alone.
func TestAnotherExecutableWithTheSameArgumentsIsDeployed(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 1)...)
	o.AwaitHealthy(t)
	link := o.Dir + "/v2"
	check(t, os.Symlink(self(t), link))
	a := deployOf(t, connect(t, o), deployParams{rolling: rolling{Service: "web"}, Command: []string{link}})
	e := effectOf(t, a)
	was := o.Status(t, "web-0").PID
	after, err := a.Apply(t.Context(), e)
	check(t, err)
	if d := diff(e.Want, after); len(d) > 0 || o.Status(t, "web-0").PID == was {
		t.Errorf("it is not deployed: %v", d)
	}
	check(t, a.Undo(t.Context(), e))
	found, err := a.Observe(t.Context())
	check(t, err)
	if d := diff(e.Before, found); len(d) > 0 {
		t.Errorf("not restored: %v", d)
	}
}

func TestABadReleaseStopsAtTheFirstReplica(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"exit", "sick"} {
		t.Run(broken, func(t *testing.T) {
			o := processtest.Start(t, processtest.Service(t, "web", 3, "RELEASE=v1")...)
			o.AwaitHealthy(t)
			a, err := newDeploy(t.Context(), connect(t, o), deployParams{
				rolling: rolling{Service: "web", Within: 300 * time.Millisecond, asking: asking{health}},
				Env:     map[string]string{"RELEASE": "v2", "BROKEN": broken},
			})
			check(t, err)
			e := effectOf(t, a)
			_, err = a.Apply(t.Context(), e)
			for _, part := range []string{"service web: web-1 is left as it is", "web-0 does not work"} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("apply: %v, want %q", err, part)
				}
			}
			for _, name := range []string{"web-1", "web-2"} {
				if h, err := o.Ask(name); err != nil || h.Version != "v1" {
					t.Errorf("%s runs %q, %v", name, h.Version, err)
				}
			}
			check(t, a.Undo(t.Context(), e))
			o.AwaitHealthy(t)
			h, err := o.Ask("web-0")
			if err != nil || h.Version != "v1" {
				t.Errorf("after undo web-0 runs %q, %v", h.Version, err)
			}
		})
	}
}

// The witness must find what is planted: a replica that does not run what its
// definition says.
func TestTheWitnessSeesWhoIsNotAsWanted(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "RELEASE=v1", "API_TOKEN=s3cret-one")...)
	o.AwaitHealthy(t)
	a := envOf(t, connect(t, o), envParams{
		rolling: rolling{Service: "web"}, Set: map[string]string{"RELEASE": "v2", "API_TOKEN": "s3cret-two"},
		witnessing: witnessing{map[string]string{"RELEASE": "version", "API_TOKEN": "env.API_TOKEN"}},
	})
	w := a.(driver.Witness)
	e := effectOf(t, a)
	check(t, w.Witness(t.Context(), e.Before))
	err := w.Witness(t.Context(), e.Want)
	if err == nil || !strings.Contains(err.Error(), "web-1: its health page does not show the wanted API_TOKEN") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the witness says %v", err)
	}
	o.Stop(t, "web-1")
	if err := w.Witness(t.Context(), e.Before); err == nil || !strings.Contains(err.Error(), "web-1") {
		t.Errorf("the witness says %v of a stopped replica", err)
	}
}

// What makes it sick may have nothing to do with the change.
func TestASickReplicaStillShowsWhatItRunsWith(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 1, "RELEASE=v1", "BROKEN=sick")...)
	a := envOf(t, connect(t, o), envParams{
		rolling: rolling{Service: "web"}, Set: map[string]string{"RELEASE": "v2"},
		witnessing: witnessing{map[string]string{"RELEASE": "version"}},
	})
	w := a.(driver.Witness)
	e := effectOf(t, a)
	deadline := time.Now().Add(10 * time.Second)
	for err := w.Witness(t.Context(), e.Before); err != nil; err = w.Witness(t.Context(), e.Before) {
		if time.Now().After(deadline) {
			t.Fatalf("the witness does not see v1: %v", err)
		}
	}
	if err := w.Witness(t.Context(), e.Want); err == nil || !strings.Contains(err.Error(), `"v1", not "v2"`) {
		t.Errorf("the witness says %v of what it does not show", err)
	}
}

func TestWithoutAWayToSeeThereIsNoWitness(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 1)...)
	a := deployOf(t, connect(t, o), deployParams{rolling: rolling{Service: "web"}, Env: map[string]string{"RELEASE": "v2"}})
	if _, ok := a.(driver.Witness); ok {
		t.Error("it has a witness that nothing tells what runs")
	}
}

// The service is asked all the time; with two replicas one always answers.
func TestOneReplicaAlwaysAnswers(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=a")...)
	o.AwaitHealthy(t)
	ctx, stop := context.WithCancel(t.Context())
	type count struct{ asked, nobody int }
	counted := make(chan count)
	go func() {
		var n count
		for ctx.Err() == nil {
			n.asked++
			if _, one := o.Ask("web-0"); one != nil {
				if _, two := o.Ask("web-1"); two != nil {
					if _, again := o.Ask("web-0"); again != nil { // it may have been their turn in between
						n.nobody++
					}
				}
			}
		}
		counted <- n
	}()
	c := connect(t, o)
	for _, mode := range []string{"b", "c", "d"} {
		a := envOf(t, c, envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": mode}})
		began := time.Now()
		_, err := a.Apply(t.Context(), effectOf(t, a))
		check(t, err)
		t.Logf("a rolling change of two replicas took %s", time.Since(began).Round(time.Millisecond))
	}
	stop()
	if n := <-counted; n.nobody > 0 || n.asked == 0 {
		t.Errorf("%d times of %d nobody answered", n.nobody, n.asked)
	}
}

func TestACancelledRollLeavesTheServiceRunning(t *testing.T) {
	t.Parallel()
	o := processtest.Start(t, processtest.Service(t, "web", 2, "MODE=a")...)
	o.AwaitHealthy(t)
	c := connect(t, o)
	a := envOf(t, c, envParams{rolling: rolling{Service: "web"}, Set: map[string]string{"MODE": "b"}})
	e := effectOf(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	calls := 0
	e.Mine = func() error {
		if calls++; calls == 2 { // web-0 is down, and not yet up
			cancelled = time.Now()
			cancel()
			return ctx.Err()
		}
		return nil
	}
	_, err := a.Apply(ctx, e)
	if took := time.Since(cancelled); !errors.Is(err, context.Canceled) || took > 200*time.Millisecond {
		t.Errorf("apply: %v, %s after it was cancelled", err, took)
	}
	o.AwaitHealthy(t)
	found, err := a.Observe(t.Context())
	check(t, err)
	if got := fields(t, found); got["stopped"] != "[]" || !strings.Contains(got["env.MODE"], "by-replica") {
		t.Errorf("the cancelled change left %v", got)
	}
}

func TestASecretOfAnOldCommandIsSealed(t *testing.T) {
	t.Parallel()
	for argv, hidden := range map[string]bool{
		"app serve":                      false,
		"app --password hunter22":        true,
		"app --password=hunter22":        true,
		"app postgres://u:pw@h/db":       true,
		"app http://h/?x=1 --port 80":    false,
		"app http://h/?api_key=hunter22": true,
	} {
		words := strings.Fields(argv)
		for _, c := range []command{{argv: words}, {shell: argv}} {
			if got := strings.Contains(string(c.encode()), "$secret"); got != hidden {
				t.Errorf("%v is sealed: %v", slices.Concat(c.argv, []string{c.shell}), got)
			}
		}
	}
}
