package e2e_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"github.com/segue-run/segue/driver"
	"github.com/segue-run/segue/driver/drivertest"
	"github.com/segue-run/segue/driver/haproxy"
	"github.com/segue-run/segue/driver/haproxy/haproxytest"
	"github.com/segue-run/segue/driver/nginx"
	"github.com/segue-run/segue/driver/nginx/nginxtest"
	"github.com/segue-run/segue/edge/edgetest"
)

const keyHeader = "X-Robot-Id"

// makeStep makes the action of one step, as people write it.
func makeStep(t testing.TB, connection, step string) driver.Action {
	t.Helper()
	text := fmt.Sprintf("segue: v1\nname: bench\nconnections:\n  edge: {%s}\nphases:\n  - name: one\n    steps:\n      - name: step\n        %s\n", connection, step)
	return drivertest.Make(t, text, nil, append(nginx.Parts(), haproxy.Parts()...)...).Actions["step"]
}

func nginxStep(t testing.TB, s *nginxtest.Server, step string) driver.Action {
	t.Helper()
	return makeStep(t, fmt.Sprintf("nginx: {config: %s, control: %q, logs: %s/logs}", s.Config, s.Control, s.Dir), step)
}

func nginxSplit(t testing.TB, s *nginxtest.Server, percent int) driver.Action {
	t.Helper()
	return nginxStep(t, s, fmt.Sprintf("nginx.split: {on: edge, new: %d%%, by: header %s}", percent, keyHeader))
}

func haproxySplit(t testing.TB, s *haproxytest.Server, percent int) driver.Action {
	t.Helper()
	return makeStep(t, fmt.Sprintf("haproxy: {socket: %s}", s.Socket), fmt.Sprintf("haproxy.split: {on: edge, new: %d%%, map: %s}", percent, s.Map))
}

// intend is what a run has when it has journaled its intent.
func intend(t testing.TB, a driver.Action) driver.Effect {
	t.Helper()
	before, err := a.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := a.(driver.Surveyor)
	others, err := s.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.PlanAmong(before, others)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Effect{
		Before: before, Want: want,
		Save: func(context.Context, any) error { return nil },
		Mine: func() error { return nil },
	}
}

func apply(t testing.TB, a driver.Action) {
	t.Helper()
	if _, err := a.Apply(t.Context(), intend(t, a)); err != nil {
		t.Fatal(err)
	}
}

// splitting is an NGINX that splits, at 0 %.
func splitting(t testing.TB) *nginxtest.Server {
	t.Helper()
	s := nginxtest.Start(t)
	s.Edit(t, nginxtest.Split)
	apply(t, nginxSplit(t, s, 0))
	return s
}

// underLoad changes the share again and again and counts what fails.
func underLoad(t testing.TB, addr string, changes int, to func(percent int)) edgetest.Counts {
	t.Helper()
	load := edgetest.StartLoad(t, addr, keyHeader, 16)
	for i := range changes {
		to([]int{10, 25, 50, 100, 0}[i%5])
		after := load.Done() + 100
		edgetest.Await(t, "some requests", func() error {
			if n := load.Done(); n < after {
				return fmt.Errorf("%d of %d", n, after)
			}
			return nil
		})
	}
	return load.Stop()
}

func hangUp(s *nginxtest.Server) { s.Signal(syscall.SIGHUP) }
