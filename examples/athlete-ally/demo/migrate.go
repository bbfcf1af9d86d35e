package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/sandbox/people"
)

// segue is a call of the program under the system's environment, with a state
// directory of the demonstration's own.
func (s *session) segue(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.o.Segue, args...)
	cmd.Env = append(os.Environ(), s.sys.Env.Pairs()...)
	cmd.Env = append(cmd.Env, s.staging.Env.Pairs()...)
	cmd.Env = append(cmd.Env, "SEGUE_STATE="+s.path("state"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// migrate runs the runbook in the foreground, with its live view, while a
// second person attests what the runbook asks for.
func (s *session) migrate(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go people.People{Segue: s.segue, As: "carl"}.Answer(ctx, "")
	args := []string{"run", s.o.Runbook, "--values", s.o.Values, "--beside", s.path("beside"), "--as", "ann"}
	s.o.say("$ segue " + strings.Join([]string{"run", s.o.Runbook, "--values", s.o.Values}, " "))
	cmd := s.segue(ctx, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, s.o.Out, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		s.o.say(fmt.Sprintf("segue run ended with exit code %d", exit.ExitCode()))
		return nil // the report says the rest
	}
	if err != nil {
		return fmt.Errorf("segue run: %w", err)
	}
	return nil
}
