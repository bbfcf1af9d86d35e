package system

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/segue-run/segue/examples/athlete-ally/normalize"
	"github.com/segue-run/segue/examples/sandbox"
)

// Names of the processes, besides nats1 to nats3, normalize-0 and -1, and
// normalize-green-0 and -1.
const (
	Postgres   = "postgres"
	Prometheus = "prometheus"
	Ingest     = "ingest-0"
)

// Node names NATS node n, counted from 1.
func Node(n int) string { return nodeName(n - 1) }

// Normalize names instance i, counted from 0.
func Normalize(i int) string { return fmt.Sprintf("normalize-%d", i) }

// Green names instance i of normalize-green, counted from 0.
func Green(i int) string { return fmt.Sprintf("normalize-green-%d", i) }

// Processes lists what runs.
func (s *System) Processes(ctx context.Context) ([]sandbox.Process, error) {
	return s.compose.List(ctx)
}

// StopProcess ends a process in good order and keeps it down. It returns when
// the process is gone, and is content when it was.
func (s *System) StopProcess(ctx context.Context, name string) error {
	if err := s.compose.Stop(ctx, name); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return s.awaitProcess(ctx, name, false)
}

// StartProcess starts a process that was stopped. It returns when the process
// runs, which is before it is healthy.
func (s *System) StartProcess(ctx context.Context, name string) error {
	if err := s.compose.Start(ctx, name); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return s.awaitProcess(ctx, name, true)
}

// KillProcess is kill -9; process-compose starts it again a second later.
func (s *System) KillProcess(ctx context.Context, name string) error {
	p, err := s.compose.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	if !p.IsRunning {
		return fmt.Errorf("kill %s: it is not running", name)
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// SetEnv changes a process's environment, takes the variables named last out of
// it, and restarts it.
func (s *System) SetEnv(ctx context.Context, name string, vars map[string]string, unset ...string) error {
	if err := s.compose.SetEnv(ctx, name, vars, unset...); err != nil {
		return fmt.Errorf("set the environment of %s: %w", name, err)
	}
	return s.awaitProcess(ctx, name, true)
}

// Environment is what a process is given, as NAME=value, in order.
func (s *System) Environment(ctx context.Context, name string) ([]string, error) {
	info, err := s.compose.Info(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", name, err)
	}
	env := info.Environment()
	slices.Sort(env)
	return env, nil
}

func (s *System) awaitProcess(ctx context.Context, name string, running bool) error {
	return sandbox.Await(ctx, name, func(ctx context.Context) error {
		p, err := s.compose.Get(ctx, name)
		if err == nil && p.IsRunning != running {
			err = fmt.Errorf("its status is %s", p.Status)
		}
		return err
	})
}

// DeadLetterAll makes every normalize, blue or green, that is not stopped
// dead-letter whatever it gets, or ends that. A restarted instance has forgotten
// it.
func (s *System) DeadLetterAll(ctx context.Context, on bool) error {
	mode := normalize.FaultNone
	if on {
		mode = normalize.FaultDeadLetter
	}
	workers, err := s.workers(ctx)
	if err != nil {
		return fmt.Errorf("set the fault: %w", err)
	}
	for _, w := range workers {
		form := url.Values{"mode": {mode}}.Encode()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/admin/fault", strings.NewReader(form))
		if err != nil {
			return fmt.Errorf("set the fault: %w", err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "Bearer "+s.Env.AdminToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("set the fault: %w", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("set the fault at %s: %s", w.name, resp.Status)
		}
	}
	return nil
}
