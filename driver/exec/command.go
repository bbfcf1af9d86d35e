package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/segue-run/segue/runbook"
)

// surroundings are where a command runs; each kind embeds them.
type surroundings struct {
	Dir     string            `param:"dir" doc:"The working directory of the commands; Segue's own otherwise."`
	Env     map[string]string `param:"env" doc:"Their environment, beyond PATH, HOME, USER, LANG, LC_ALL, TZ and TMPDIR."`
	Timeout time.Duration     `param:"timeout" doc:"How long each command may take; then it is ended with all it started." default:"30s"`
}

func (s surroundings) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return 30 * time.Second
}

const (
	// grace is what a command gets between being asked to end and being killed,
	// unless it is a check's and the runbook gives it more.
	grace = 40 * time.Millisecond
	// maxOutput bounds what is kept of each of a command's two outputs.
	maxOutput = 64 << 10
)

// result is a command that ended by itself.
type result struct {
	exit           int
	output, errors string // trimmed; whole lines
}

// run runs a command to its end. The error says that it could not be run, or
// did not end in time; a command that ends with any exit status is a result.
func (s surroundings) run(ctx context.Context, argv []string, extra ...string) (result, error) {
	return s.patiently(ctx, grace, argv, extra...)
}

// patiently runs a command that may take a while to end when it is asked to.
func (s surroundings) patiently(ctx context.Context, patience time.Duration, argv []string, extra ...string) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	if err := ctx.Err(); err != nil {
		return result{}, fmt.Errorf("run %s: %w", argv[0], err)
	}
	var out, errs bounded
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // the runbook's own; the whole group is ended below
	cmd.Dir, cmd.Env = s.Dir, s.environment(extra)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = grace // for who keeps the output open after the command's end

	started, over := make(chan int, 1), make(chan error, 1)
	go func() {
		// The kernel ends the command when the thread that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			over <- err
			return
		}
		started <- cmd.Process.Pid
		over <- cmd.Wait()
	}()
	var end error
	select {
	case end = <-over:
	case <-ctx.Done():
		var complaint string
		select {
		case group := <-started:
			if endGroup(group, patience, over) {
				complaint = said(errs.text())
			}
		case <-over: //nolint:errcheck // that it is over is all that counts here
		}
		return result{}, fmt.Errorf("run %s: %w%s", argv[0], context.Cause(ctx), complaint)
	}
	failed, isExit := errors.AsType[*exec.ExitError](end)
	switch {
	case isExit && failed.Exited():
		return result{failed.ExitCode(), out.text(), errs.text()}, nil
	case isExit:
		return result{}, fmt.Errorf("run %s: %w%s", argv[0], failed, said(errs.text()))
	case end != nil && !errors.Is(end, exec.ErrWaitDelay):
		return result{}, fmt.Errorf("run %s: %w", argv[0], end)
	}
	return result{0, out.text(), errs.text()}, nil
}

// endGroup ends a process group: it asks, and then does not ask. It reports
// whether the command is over, so that nothing writes its output any more.
func endGroup(group int, patience time.Duration, over <-chan error) bool {
	t := time.NewTimer(patience)
	defer t.Stop()
	isOver := func() bool {
		select {
		case <-over: //nolint:errcheck // that it is over is all that counts here
			return true
		case <-t.C:
			return false
		}
	}
	_ = syscall.Kill(-group, syscall.SIGTERM)
	asked := time.Now()
	ended := isOver()
	// What the command started may need its time too, when the command itself is over.
	for time.Since(asked) < patience && syscall.Kill(-group, 0) == nil {
		time.Sleep(min(10*time.Millisecond, patience-time.Since(asked)))
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // those too whom the first one left behind
	if !ended {
		t.Reset(2 * grace)
		ended = isOver()
	}
	return ended
}

func (s surroundings) environment(extra []string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	env = append(env, extra...)
	for name, v := range s.Env {
		env = append(env, name+"="+v)
	}
	return env
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	buf bytes.Buffer
	cut bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.buf.Len(); len(p) > room {
		b.cut = true
		b.buf.Write(p[:room])
		return len(p), nil
	}
	return b.buf.Write(p)
}

var _ io.Writer = (*bounded)(nil)

// text is whole lines: half a secret would get past a redactor that looks for
// whole ones.
func (b *bounded) text() string {
	s := strings.ToValidUTF8(b.buf.String(), "�")
	if b.cut {
		s = s[:strings.LastIndexByte(s, '\n')+1] + "… (cut)"
	}
	return strings.TrimSpace(s)
}

// said adds what a command complained of to an error.
func said(errs string) string {
	if errs == "" {
		return ""
	}
	return ": " + errs
}

func argvError(field string, argv []string) error {
	switch {
	case len(argv) == 0 || argv[0] == "":
		return &runbook.FieldError{Field: field, Problem: "there is no command", Remedy: "write an argv: [systemctl, reload, nginx]"}
	case len(argv) == 1 && strings.ContainsAny(argv[0], " \t|;&<>"):
		return &runbook.FieldError{Field: field, Problem: "an argv is no shell string", Remedy: "give each argument on its own: [systemctl, reload, nginx]"}
	}
	return nil
}
