package system

import (
	"context"
	"fmt"
	"syscall"

	"github.com/segue-run/segue/examples/lekiwi/service"
	"github.com/segue-run/segue/examples/sandbox"
)

// SetFaults makes services of a system that was started with Options.Faults do
// this wrong from now on; none ends it.
func (s *System) SetFaults(all map[string]service.Fault) error {
	return service.WriteFaults(faultsFile(s.layout), all) //nolint:wrapcheck // it says what was done
}

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

func (s *System) awaitProcess(ctx context.Context, name string, running bool) error {
	return sandbox.Await(ctx, name, func(ctx context.Context) error {
		p, err := s.compose.Get(ctx, name)
		if err == nil && p.IsRunning != running {
			err = fmt.Errorf("its status is %s", p.Status)
		}
		return err
	})
}
