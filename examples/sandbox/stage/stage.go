// Package stage carries a runbook out before somebody who watches: with the real
// segue in the foreground, its live view and all, while a second person answers
// what it asks. What demonstrations of other systems have in common is here; what
// they bring up, put under load and count is their own.
package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/segue-run/segue/examples/sandbox/people"
)

// A Stage is one such migration. All but Env and Keep must be set.
type Stage struct {
	Segue   string // the program
	Runbook string // file
	Values  string // file with its inputs
	Env     []string
	Dir     string // for segue's state, and whatever else is kept
	Keep    bool   // leave the report in Dir
	Out     *os.File
}

// Beside finds a program that lies beside the one that runs.
func Beside(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the %s program: %w", name, err)
	}
	return filepath.Join(filepath.Dir(self), name), nil
}

// Say shows a line.
func (s *Stage) Say(text string) { fmt.Fprintln(s.Out, text) }

// Path is that of a file in Dir.
func (s *Stage) Path(name string) string { return filepath.Join(s.Dir, name) }

// Command is a call of segue, with a state directory of the stage's own.
func (s *Stage) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.Segue, args...)
	cmd.Env = append(append(os.Environ(), s.Env...), "SEGUE_STATE="+s.Path("state"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Migrate runs the runbook. That it did not end well is no error: Report says
// how it ended.
func (s *Stage) Migrate(ctx context.Context, more ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go people.People{Segue: s.Command, As: "carl"}.Answer(ctx, "")
	args := []string{"run", s.Runbook, "--values", s.Values}
	s.Say("$ segue " + strings.Join(args, " "))
	cmd := s.Command(ctx, append(append(args, "--as", "ann"), more...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, s.Out, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		s.Say(fmt.Sprintf("segue run ended with exit code %d", exit.ExitCode()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("segue run: %w", err)
	}
	return nil
}

// Report shows the part of segue's report that is about phases, steps and gates,
// and returns the run's status.
func (s *Stage) Report(ctx context.Context) (status string, err error) {
	raw, err := s.Command(ctx, "report", "--format", "json").Output()
	if err != nil {
		return "", fmt.Errorf("segue report: %w", err)
	}
	var rep struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(raw, &rep); err != nil {
		return "", fmt.Errorf("read segue's report: %w", err)
	}
	md, err := s.Command(ctx, "report", "--format", "md").Output()
	if err != nil {
		return "", fmt.Errorf("segue report: %w", err)
	}
	if s.Keep {
		if err := os.WriteFile(s.Path("report.md"), md, 0o600); err != nil {
			return "", fmt.Errorf("keep the report: %w", err)
		}
		s.Say("The report is " + s.Path("report.md"))
	}
	head, _, _ := strings.Cut(string(md), "\n## Who carried it out") // the rest would fill screens
	if _, err := io.WriteString(s.Out, "\n"+head+"\n"); err != nil {
		return "", fmt.Errorf("show the report: %w", err)
	}
	return rep.Status, nil
}
